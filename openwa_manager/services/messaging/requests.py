"""What people and programs ask of messages that were taken in: to be shown, called off, sent again, settled."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import BodyGoneError, IllegalTransitionError, MessageNotFoundError
from openwa_manager.domain.messaging.messages import (
    RESENDABLE,
    Message,
    MessageError,
    MessageStatus,
    Move,
)
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.messaging.acceptance.singles import SingleAcceptance
from openwa_manager.services.messaging.outlook import MessageView, QueueOutlook, read_about, views_of
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import messages, moves
from openwa_manager.store.messaging.messages import MessageFilter

_S = MessageStatus


class MessageRequests:
    """Shows messages, and changes one when somebody asks for it; `wake` has a session's queue look again."""

    def __init__(
        self,
        records: MessageRecords,
        clock: Clock,
        singles: SingleAcceptance,
        outlook: QueueOutlook,
        wake: Callable[[SessionId], None],
    ) -> None:
        self._records = records
        self._clock = clock
        self._singles = singles
        self._outlook = outlook
        self._wake = wake

    async def find(self, message_id: str, scope: SessionScope = EVERY_SESSION) -> Message:
        """Return a message of a session in a scope.

        Raises:
            MessageNotFoundError: there is none with this id there.
        """
        message = await self._records.read(partial(messages.find_message, message_id=message_id))
        if message is None or not scope.names(message.origin.session_id):
            raise MessageNotFoundError("there is no such message")
        return message

    async def show(self, message: Message) -> MessageView:
        """Return a message as it is shown."""
        return (await self._views([message]))[0]

    async def list_some(
        self, session_id: SessionId, wanted: MessageFilter, before_seq: int | None, limit: int
    ) -> Sequence[MessageView]:
        """Return messages of a session that fit, newest first, older than `before_seq` (None: all)."""
        found: list[Message] = []
        while before_seq != 0 and len(found) < limit:
            read = partial(
                messages.read_some,
                session_id=session_id,
                wanted=wanted,
                before_seq=before_seq,
                limit=limit - len(found),
            )
            some, before_seq = await self._records.read(read)
            found += some
        return await self._views(found)

    async def cancel(self, message: Message) -> MessageView:
        """Call a message off and return it; one that was called off before stays so.

        Raises:
            IllegalTransitionError: it is being sent, or has ended.
        """
        after = await self._records.tell(partial(_cancel, message=message, at=self._clock.now().at))
        self._wake(message.origin.session_id)
        return await self.show(after)

    async def settle(self, message: Message, verdict: Literal["sent", "failed"]) -> MessageView:
        """Say what became of a message of which nobody knew, and return it.

        Raises:
            IllegalTransitionError: it is known what became of it.
        """
        step = Move(to=_S(verdict), at=self._clock.now().at, error=None if verdict == "sent" else _SETTLED)
        after = await self._records.tell(partial(_settle, message=message, step=step))
        return await self.show(after)

    async def resend(self, session: Session, message: Message) -> tuple[MessageView, bool]:
        """Send a message that did not get through once more, as a new one, and return that, and whether it is new.

        It is not where an earlier call has made one that waits or was sent: the same call twice sends once.

        Raises:
            IllegalTransitionError: it is on its way, or was sent, or called off.
            BodyGoneError: what it said is not kept any more.
            OptedOutError, QueueFullError, QuotaExceededError, FirstContactCapError: as for any new message.
        """
        if message.status not in RESENDABLE:
            raise IllegalTransitionError(
                f"the message is {message.status}; only one that did not get through can be sent again"
            )
        if message.body is None:
            raise BodyGoneError("what the message said is not kept any more")
        accepted = await self._singles.resend(session, message, message.body)
        return await self.show(accepted.message), accepted.is_new

    async def _views(self, found: Sequence[Message]) -> list[MessageView]:
        read = await self._records.read(partial(read_about, found=found))
        return views_of(found, read, self._outlook, self._clock.now().at)


_SETTLED = MessageError(code=EndCode.SETTLED, detail=ENDS[EndCode.SETTLED])


def _cancel(connection: Connection, message: Message, at: float) -> tuple[Message, Sequence[Event]]:
    moved = moves.move(connection, message.message_id, Move(to=_S.CANCELLED, at=at))
    if moved is not None:
        return moved.after, moved.events
    now = messages.find_message(connection, message.message_id)
    if now is None:
        raise MessageNotFoundError("there is no such message")
    if now.status is not _S.CANCELLED:
        raise IllegalTransitionError(f"the message is {now.status}; only one that waits can be called off")
    return now, ()


def _settle(connection: Connection, message: Message, step: Move) -> tuple[Message, Sequence[Event]]:
    now = messages.find_message(connection, message.message_id)
    if now is None:
        raise MessageNotFoundError("there is no such message")
    moved = moves.move(connection, message.message_id, step) if now.status is _S.UNKNOWN else None
    if moved is None:
        raise IllegalTransitionError(f"the message is {now.status}; only one that is unknown can be settled")
    return moved.after, moved.events
