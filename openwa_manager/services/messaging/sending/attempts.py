"""Records the attempts at messages: each before its request leaves, then what its answer proves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.following import EndedAttempt, Followed, follow
from openwa_manager.domain.messaging.messages import Attempt, AttemptOutcome, Message, MessageId
from openwa_manager.domain.messaging.outcomes import Sent, Uncertain, Verdict
from openwa_manager.domain.messaging.restrictions import AccountRestricted
from openwa_manager.domain.messaging.retries import AskedBefore, EngineMemory, RetryPolicy
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.services.messaging.records import MessageRecords, Telling
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import holding, queues
from openwa_manager.store.messaging.messages import find_message, read_attempts
from openwa_manager.store.messaging.moves import AttemptEnd, add_attempt, begin_attempt, end_attempt, move
from openwa_manager.store.messaging.people import suppressions
from openwa_manager.store.messaging.proofs.acks import settle_early_acks
from openwa_manager.store.messaging.queues import SentNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a request: the verdict, how long it took, and what is known of the engine now."""

    verdict: Verdict
    send_s: float
    http_status: int | None = None
    memory_now: EngineMemory | None = None
    restriction: AccountRestricted | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A message once its attempt has ended, and when it is asked of an engine again (wall time; None: it is not)."""

    message: Message
    next_at: float | None


#: Writes more in the transaction in which an attempt ends; it is given the message as it is then.
Also = Callable[[Connection, Message], None]


def nothing_else(connection: Connection, message: Message) -> None:
    """Write nothing more."""
    del connection, message


class Attempts:
    """Every attempt is on disk before its request leaves; `day_of` names the day that a moment counts for."""

    def __init__(
        self,
        records: MessageRecords,
        clock: Clock,
        policy: RetryPolicy,
        day_of: Callable[[float], str],
        tally: SendTally | None = None,
    ) -> None:
        self._records = records
        self._clock = clock
        self._policy = policy
        self._day_of = day_of
        self._tally = tally or SendTally()

    async def begin(self, message_id: MessageId, memory: EngineMemory | None, key: str | None) -> Message | None:
        """Return the message once it is on disk that it is being sent; None when it waits no more.

        One to somebody who has opted out is cancelled: that may have happened since it was accepted.

        Raises:
            StorageFullError: that could not be recorded, so nothing may be sent.
        """
        attempt = self._attempt(memory, key)
        begun = await self._records.tell(partial(_begin, message_id=message_id, attempt=attempt))
        if begun is not None and begun.attempt_count == 1:
            self._tally.hold.note(max(0.0, attempt.at - begun.times.created_at))
        return begun

    async def ask(self, message: Message, memory: EngineMemory | None, key: str) -> Message:
        """Return the message once it is on disk that its engine is asked about it again, under the same key.

        Raises:
            StorageFullError: that could not be recorded.
        """
        attempt = self._attempt(memory, key)
        number = await self._records.write(partial(add_attempt, message=message, attempt=attempt))
        return replace(message, attempt_count=number)

    async def end(self, message: Message, answer: Answer, also: Also = nothing_else) -> Ended:
        """Return the message once what became of its last attempt is on disk, with what is `also` to be written.

        Raises:
            StorageFullError: that could not be recorded; it must be, before anything else is sent.
        """
        write = partial(
            _end, message=message, answer=answer, at=self._clock.now().at, policy=self._policy, day_of=self._day_of
        )
        ended = await self._records.tell(partial(_with, write=write, also=also))
        self._tally.note_answer(answer.http_status)
        return ended

    def _attempt(self, memory: EngineMemory | None, key: str | None) -> Attempt:
        return Attempt(
            number=0,
            at=self._clock.now().at,
            engine_version=memory.version if memory else None,
            inner_id=memory.inner_id if memory else None,
            data_id=memory.data_id if memory else None,
            key=key,
        )


def _with(connection: Connection, write: Telling[Ended], also: Also) -> tuple[Ended, Sequence[Event]]:
    ended, events = write(connection)
    also(connection, ended.message)
    return ended, events


def asked_before(attempts: Sequence[Attempt]) -> AskedBefore:
    """Return what these attempts at one message come to; those that were not taken do not count."""
    counted = [each for each in attempts if each.outcome is not AttemptOutcome.NOT_TAKEN]
    unclear = [each for each in counted if each.outcome in (None, AttemptOutcome.UNCERTAIN)] or counted
    if not unclear:
        return AskedBefore(attempts=0, first_at=0.0, memory=None)
    first = unclear[0]
    memory = EngineMemory(version=first.engine_version, inner_id=first.inner_id, data_id=first.data_id)
    return AskedBefore(attempts=len(counted), first_at=first.at, memory=memory if first.key else None)


def _begin(connection: Connection, message_id: MessageId, attempt: Attempt) -> tuple[Message | None, Sequence[Event]]:
    message = find_message(connection, message_id)
    if message is None:
        return None, ()
    cancelled = suppressions.cancel_unwanted(connection, message, attempt.at)
    moved = None if cancelled else begin_attempt(connection, message_id, attempt)
    return None if moved is None else moved.after, cancelled


def _end(
    connection: Connection,
    message: Message,
    answer: Answer,
    at: float,
    policy: RetryPolicy,
    day_of: Callable[[float], str],
) -> tuple[Ended, Sequence[Event]]:
    attempts = read_attempts(connection, [message]).get(message.message_id, [])
    asked = EndedAttempt(
        before=asked_before(attempts),
        memory_now=answer.memory_now,
        restriction=answer.restriction,
        caller_waits=message.origin.caller_waits,
    )
    followed = follow(answer.verdict, asked, at, policy)
    _record_attempt(connection, message, answer, followed, at)
    events: list[Event] = []
    after = message
    if followed.step is not None and (moved := move(connection, message.message_id, followed.step)) is not None:
        after, events = moved.after, [*moved.events]
    began_at = attempts[-1].at if attempts else at
    events += _note_limit(connection, message, answer, began_at, at)
    _note_gap(connection, message, answer, at, day_of)
    events += settle_early_acks(connection, message.origin.session_id, after, at)
    return Ended(message=after, next_at=followed.next_at), events


def _note_gap(
    connection: Connection, message: Message, answer: Answer, at: float, day_of: Callable[[float], str]
) -> None:
    """Note what another daemon would count the gap from; to this one an attempt that it finds cut off ends now."""
    session_id, is_first_contact = message.origin.session_id, message.recipient.is_first_contact
    match answer.verdict:
        case Sent():
            note = SentNote(at=at, send_s=answer.send_s, is_first_contact=is_first_contact, day=day_of(at))
            queues.note_sent(connection, session_id, note)
        case Uncertain():
            queues.note_maybe_sent(connection, session_id, at, is_first_contact=is_first_contact)
        case _:
            return


def _note_limit(
    connection: Connection, message: Message, answer: Answer, began_at: float, at: float
) -> Sequence[Event]:
    """Take in what an attempt that began at `began_at` says of a restriction, unless the engine has told of it since.

    A first contact that was sent proves that there is none any more.
    """
    session_id = message.origin.session_id
    row = queues.read_queue(connection, session_id)
    if (row.restricted_at or 0.0) > began_at:
        return ()
    if answer.restriction is not None:
        return holding.restrict(connection, session_id, answer.restriction, at)
    if isinstance(answer.verdict, Sent) and message.recipient.is_first_contact and row.limit is not None:
        queues.note_limit(connection, session_id, None, at)
    return ()


def _record_attempt(connection: Connection, message: Message, answer: Answer, followed: Followed, at: float) -> None:
    end = AttemptEnd(
        at=at,
        outcome=followed.outcome,
        http_status=answer.http_status,
        code=followed.code,
        next_at=followed.next_at,
    )
    end_attempt(connection, message, end)
