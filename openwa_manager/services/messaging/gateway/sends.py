"""Makes a message of each request of the gateway that sends: on disk before it leaves, with what became of it.

Theory. The caller holds the answer, so nothing here is ever asked again: a message of the gateway is `sending` while
its request is under way, and ends with it. Who hangs up meanwhile misses the answer; what became of the message is
recorded all the same.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from functools import partial

import structlog

from openwa_manager.domain.errors import OpenwaManagerError, OptedOutError, StorageFullError
from openwa_manager.domain.messaging.messages import (
    Attempt,
    Body,
    Kind,
    Message,
    MessageId,
    Origin,
    Recipient,
    SendRoute,
    Times,
)
from openwa_manager.domain.messaging.outcomes import Answered, SendAnswer, Sent, Uncertain, Verdict, judge
from openwa_manager.domain.messaging.recipients import is_person
from openwa_manager.domain.messaging.retries import EngineMemory
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.rules import quota_error, quota_month, require_session
from openwa_manager.services.messaging.acceptance.singles import Gate
from openwa_manager.services.messaging.gateway.keys import KeyedRequest, Reply, answering, remember, require_new
from openwa_manager.services.messaging.sending.attempts import Also, Answer, Attempts, nothing_else
from openwa_manager.services.messaging.sending.queue_parts import QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.turns import Turn
from openwa_manager.store.database import Connection
from openwa_manager.store.ids import new_id
from openwa_manager.store.messaging import contacts, quotas
from openwa_manager.store.messaging.idempotency import Key, find_key
from openwa_manager.store.messaging.messages import NewMessage
from openwa_manager.store.messaging.moves import add_sending
from openwa_manager.store.messaging.people.aliases import canonical

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDraft:
    """What a request sends: `to` as the caller wrote it, the chat that is, and its text or caption.

    Both names are empty while they have not come yet. With `keeps_text` it can be sent again.
    """

    to: str = ""
    chat_id: str = ""
    kind: Kind = Kind.OTHER
    text: str = field(default="", repr=False)
    keeps_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """What a caller asks for; `asked` None: without a key."""

    session: Session
    draft: GatewayDraft
    asked: KeyedRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSend:
    """What is said of a message before it is one: its id, and its attempt with the key that the engine may know."""

    message_id: MessageId
    attempt: Attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A message that is on disk as being sent."""

    message: Message
    asked: KeyedRequest | None
    began_boot_s: float


@dataclass(frozen=True, slots=True)
class _Late:
    """What became of a message, which the disk had no room for."""

    message: Message
    answer: Answer
    also: Also


class GatewaySends:
    """Sends for callers; a request waits for its turn for `hold_s` at most."""

    def __init__(self, gate: Gate, parts: QueueParts, attempts: Attempts, queues: Queues, hold_s: float) -> None:
        self._gate = gate
        self._parts = parts
        self._attempts = attempts
        self._queues = queues
        self._hold_s = hold_s
        self._late: asyncio.Queue[_Late] = asyncio.Queue()

    async def run(self) -> None:
        """Record, once there is room, what the disk had no room for."""
        while True:
            late = await self._late.get()
            await self._parts.sender.record(late.message, late.answer, late.also)
            self._parts.in_flight.discard(late.message.message_id)

    async def knows(self, key: Key) -> bool:
        """Tell whether something was asked for under this key."""
        return await self._gate.records.read(partial(find_key, key=key)) is not None

    async def look_ahead(self, wanted: SendRequest) -> bool:
        """Tell whether the chat is a new one for the session; raises what `begin` would raise now."""
        try:
            return await self._gate.records.read(partial(_look, gate=self._gate, wanted=wanted))
        except OpenwaManagerError as error:
            self._gate.refusals.note(wanted.session.session_id, error.code)
            raise

    def turn(self, session: Session, *, is_first_contact: bool) -> AbstractAsyncContextManager[Turn]:
        """Enter when the request may leave, leave once it was answered.

        Raises:
            QueueFullError: it is not its turn in time, or cannot become so.
        """
        return self._queues.turn(session.session_id, self._hold_s, is_first_contact=is_first_contact)

    async def prepare(self, session: Session, *, keyed: bool) -> PlannedSend:
        """Return what a message is to be known by; `keyed`: its engine may take a key, if it keeps any."""
        now_at = self._gate.clock.now().at
        message_id = MessageId(new_id("msg", now_at))
        memory = await self._memory(session) if keyed else None
        attempt = Attempt(
            number=1,
            at=now_at,
            engine_version=memory.version if memory else None,
            inner_id=memory.inner_id if memory else None,
            data_id=memory.data_id if memory else None,
            key=f"owm-{message_id}-1" if memory is not None and memory.keeps_keys else None,
        )
        return PlannedSend(message_id=message_id, attempt=attempt)

    async def begin(self, wanted: SendRequest, planned: PlannedSend) -> Begun:
        """Return the message once it is on disk that it is being sent.

        Raises:
            OptedOutError: the recipient wants no messages.
            QuotaExceededError: the user's month is used up.
            FirstContactCapError: the session has written to enough new people today.
            StorageFullError: that could not be recorded, so nothing may be sent.
            SessionNotFoundError: the session has been deleted meanwhile.
            AnsweredBeforeError, IdempotencyMismatchError, KeyInProgressError, KeyOutcomeUnknownError: the key is known.
        """
        self._parts.in_flight.add(planned.message_id)
        try:
            begin = partial(_begin, gate=self._gate, wanted=wanted, planned=planned)
            message = await self._gate.records.write(begin)
        except BaseException:
            self._parts.in_flight.discard(planned.message_id)
            raise
        return Begun(message=message, asked=wanted.asked, began_boot_s=self._gate.clock.now().boot_s)

    async def end(self, begun: Begun, answer: SendAnswer, reply: Reply | None) -> Verdict:
        """Return what the answer proves, once that is on disk; `reply` is what a caller with a key hears again."""
        verdict, message = judge(answer), begun.message
        reached = self._parts.reach.reach(message.origin.session_id)
        restriction = None if reached is None else await self._parts.sender.restriction(verdict, message, reached)
        ended = Answer(
            verdict=verdict,
            send_s=self._gate.clock.now().boot_s - begun.began_boot_s,
            http_status=answer.http_status if isinstance(answer, Answered) else None,
            restriction=restriction,
        )
        also: Also = nothing_else if begun.asked is None else answering(begun.asked.key, reply)
        try:
            await self._attempts.end(message, ended, also)
        except StorageFullError as error:
            _log.warning("outcome_not_recorded", message_id=message.message_id, error=str(error))
            self._late.put_nowait(_Late(message, ended, also))
        else:
            self._parts.in_flight.discard(message.message_id)
        return verdict

    async def _memory(self, session: Session) -> EngineMemory | None:
        """Return where the engine keeps keys; None when nothing can be sent through it."""
        reached = self._parts.reach.reach(session.session_id)
        return None if reached is None else await self._parts.sender.memories.of(reached)


def was_used(verdict: Verdict) -> bool:
    """Tell whether something left, or may have, so that a gap follows."""
    return isinstance(verdict, Sent | Uncertain)


def _look(connection: Connection, gate: Gate, wanted: SendRequest) -> bool:
    now, origin = gate.clock.now().at, _origin_of(wanted.session)
    if wanted.asked is not None:
        require_new(connection, wanted.asked)
    recipient = _recipient(connection, gate, origin, wanted.draft)
    month = quota_month(origin.user_id, now, gate.rules)
    if month is not None and quotas.read_quota(connection, origin.user_key, month).left == 0:
        raise quota_error(now, gate.rules)
    if recipient.is_first_contact:
        gate.check_first_contact(connection, origin.session_id, now)
    return recipient.is_first_contact


def _begin(connection: Connection, gate: Gate, wanted: SendRequest, planned: PlannedSend) -> Message:
    now, origin, draft = planned.attempt.at, _origin_of(wanted.session), wanted.draft
    require_session(connection, origin.session_id)
    if wanted.asked is not None:
        require_new(connection, wanted.asked)
    recipient = _recipient(connection, gate, origin, draft)
    month = quota_month(origin.user_id, now, gate.rules)
    if month is not None and not quotas.reserve(connection, origin.user_key, month, 1):
        raise quota_error(now, gate.rules)
    if recipient.is_first_contact:
        gate.check_first_contact(connection, origin.session_id, now)
    new = NewMessage(
        origin=origin,
        recipient=recipient,
        body=Body(kind=draft.kind, text=draft.text),
        times=Times(created_at=now, expires_at=now + gate.rules.ttl_s),
        quota_month=month,
        message_id=planned.message_id,
        is_body_kept=draft.keeps_text,
    )
    message = add_sending(connection, new, planned.attempt)
    if wanted.asked is not None:
        remember(connection, wanted.asked, message)
    return message


def _origin_of(session: Session) -> Origin:
    return Origin(session_id=session.session_id, user_id=session.spec.user_id, route=SendRoute.GATEWAY)


def _recipient(connection: Connection, gate: Gate, origin: Origin, draft: GatewayDraft) -> Recipient:
    """Return whom it is for.

    Raises:
        OptedOutError: that person wants no messages.
    """
    chat_id = canonical(connection, origin.user_key, draft.chat_id)
    if gate.find_suppressed(connection, origin.user_key, [chat_id]):
        raise OptedOutError("the recipient wants no messages of this user")
    is_first = is_person(chat_id) and not contacts.is_known(connection, origin.session_id, chat_id)
    return Recipient(to=draft.to, chat_id=chat_id, is_first_contact=is_first)
