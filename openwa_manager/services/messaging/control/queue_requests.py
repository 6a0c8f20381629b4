"""What people ask of a session's queue: to pause it, to choose its pace, to empty it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import CountChangedError
from openwa_manager.domain.messaging.messages import NO_BATCH, Kind, MessageError, MessageStatus, Move
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import heads, queues
from openwa_manager.store.messaging.moves import move

#: How many messages are called off in one write; other writes wait meanwhile.
_SLICE = 100


class QueueRequests:
    """Changes queues when somebody asks for it; `release` lets go of the files of a message of no batch."""

    def __init__(
        self, queues: Queues, records: MessageRecords, clock: Clock, release: Callable[[str], Awaitable[None]]
    ) -> None:
        self._queues = queues
        self._records = records
        self._clock = clock
        self._release = release

    async def set_paused(self, session_id: SessionId, *, is_paused: bool) -> None:
        """Pause the queue, or let it go on, whatever held it that a person must end."""
        await self._records.write(partial(queues.set_paused, session_id=session_id, is_paused=is_paused))
        self._queues.wake(session_id)

    async def set_profile(self, session_id: SessionId, profile: ProfileName) -> None:
        """Choose the pace; it counts from the next message on."""
        await self._records.write(partial(queues.set_profile, session_id=session_id, profile=profile))
        self._queues.wake(session_id)

    async def clear(self, session_id: SessionId, confirmed_count: int) -> None:
        """Call off all that waits, once it is known that this is as much as the caller thinks.

        Raises:
            CountChangedError: more or fewer messages wait; nothing happened.
        """
        newest_seq = await self._records.read(partial(_newest, session_id=session_id, confirmed_count=confirmed_count))
        await self.cancel_all(session_id, newest_seq)
        self._queues.wake(session_id)

    async def cancel_all(self, session_id: SessionId, newest_seq: int, error: MessageError | None = None) -> None:
        """Call off what waits up to this `seq`; with an `error` it is we who do, and that is told."""
        cancel = partial(_cancel, session_id=session_id, newest_seq=newest_seq, error=error)
        while (cancelled := await self._records.tell(partial(cancel, at=self._clock.now().at))).count:
            for owner in cancelled.file_owners:
                await self._release(owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cancelled:
    """How many messages were called off, and which of them had files of their own."""

    count: int
    file_owners: Sequence[str]


def _newest(connection: Connection, session_id: SessionId, confirmed_count: int) -> int:
    waiting_count = sum(each.message_count for each in heads.read_sub_queues(connection, session_id))
    if waiting_count != confirmed_count:
        raise CountChangedError(f"{waiting_count} messages wait, not {confirmed_count}; nothing was called off")
    return heads.newest_seq(connection)


def _cancel(
    connection: Connection, session_id: SessionId, newest_seq: int, error: MessageError | None, at: float
) -> tuple[_Cancelled, Sequence[Event]]:
    step = Move(to=MessageStatus.CANCELLED, at=at, error=error, by_us=error is not None)
    waiting = heads.read_waiting(connection, session_id, newest_seq, _SLICE)
    moved = [each for message_id in waiting if (each := move(connection, message_id, step)) is not None]
    ended = [each.after for each in moved]
    owners = [each.message_id for each in ended if each.origin.batch_id == NO_BATCH and each.kind is not Kind.TEXT]
    return _Cancelled(count=len(moved), file_owners=owners), [event for each in moved for event in each.events]
