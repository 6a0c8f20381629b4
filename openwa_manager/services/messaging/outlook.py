"""What lies before a message that waits: why it waits, how many go before it, and when it will go, roughly."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from openwa_manager.domain.messaging.batches import Batch, BatchState
from openwa_manager.domain.messaging.messages import (
    Attempt,
    BatchId,
    Hold,
    HoldCode,
    Message,
    MessageId,
    MessageStatus,
)
from openwa_manager.domain.messaging.windows import opens_at
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import batches, heads, messages

#: How far down the line a list tells the place of a message; one message alone is told its own, however far.
PLACES_LISTED = 1_000
_STRENGTH = {code: rank for rank, code in enumerate(HoldCode)}


class QueueOutlook(Protocol):
    """What is known of a session's queue as a whole."""

    def hold(self, session_id: SessionId, *, is_first_contact: bool) -> Hold | None:
        """Return what holds the session's messages, or its first contacts; None: nothing does."""
        ...

    def estimate_at(self, session_id: SessionId, ahead_count: int, *, is_first_contact: bool) -> float | None:
        """Return when a message goes (wall time) that so many go before; None: nobody can tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A message as it is shown.

    `hold` is the strongest reason why it waits, `position` its place in the line (1: it is next). None: it does not
    wait, or its place is not told.
    """

    message: Message
    attempts: Sequence[Attempt] = ()
    hold: Hold | None = None
    position: int | None = None
    estimated_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What the database says about some messages."""

    attempts: Mapping[MessageId, Sequence[Attempt]]
    batches: Mapping[BatchId, Batch]
    ahead_counts: Mapping[MessageId, int]


def read_about(connection: Connection, found: Sequence[Message]) -> _Read:
    """Return what the database says about messages of one session."""
    batch_ids = sorted({message.origin.batch_id for message in found if message.origin.batch_id})
    return _Read(
        attempts=messages.read_attempts(connection, found),
        batches=batches.find_batches(connection, batch_ids),
        ahead_counts=_ahead_counts(connection, found),
    )


def _ahead_counts(connection: Connection, found: Sequence[Message]) -> dict[MessageId, int]:
    waiting = [message for message in found if message.status is MessageStatus.QUEUED and message.hold is None]
    if len(waiting) == 1:
        return {waiting[0].message_id: heads.count_ahead(connection, waiting[0])}
    if not waiting:
        return {}
    line = heads.first_in_line(connection, waiting[0].origin.session_id, PLACES_LISTED)
    return {message_id: ahead for ahead, message_id in enumerate(line)}


def views_of(found: Iterable[Message], read: _Read, outlook: QueueOutlook, now: float) -> list[MessageView]:
    """Return messages as they are shown at wall time `now`."""
    view = partial(_view_of, read=read, outlook=outlook, now=now)
    return [view(message) for message in found]


def _view_of(message: Message, read: _Read, outlook: QueueOutlook, now: float) -> MessageView:
    attempts = read.attempts.get(message.message_id, ())
    if message.status is not MessageStatus.QUEUED:
        return MessageView(message=message, attempts=attempts)
    session_id = message.origin.session_id
    ahead_count = read.ahead_counts.get(message.message_id)
    is_first = message.recipient.is_first_contact
    estimated_at = message.hold.until if message.hold else None
    if ahead_count is not None:
        estimated_at = outlook.estimate_at(session_id, ahead_count, is_first_contact=is_first)
    holds = (
        message.hold,
        batch_hold(read.batches.get(message.origin.batch_id), now),
        outlook.hold(session_id, is_first_contact=is_first),
    )
    return MessageView(
        message=message,
        attempts=attempts,
        hold=strongest(holds),
        position=None if ahead_count is None else ahead_count + 1,
        estimated_at=_after_holds(estimated_at, holds),
    )


def _after_holds(at: float | None, holds: Iterable[Hold | None]) -> float | None:
    """Return when a message goes that would go at a wall time if nothing held it; None: nobody can tell."""
    for hold in holds:
        if at is None or hold is None or hold.code is HoldCode.CHECKING:
            continue
        at = None if hold.until is None else max(at, hold.until)
    return at


def batch_hold(batch: Batch | None, now: float) -> Hold | None:
    """Return what holds all messages of a batch at wall time `now`; None: nothing does, or there is no batch."""
    if batch is None:
        return None
    if batch.state is BatchState.PAUSED:
        return Hold(code=HoldCode.BATCH_PAUSED, detail=batch.paused_detail or "the batch is paused; resume it")
    if batch.terms.send_after is not None and batch.terms.send_after > now:
        return Hold(code=HoldCode.SEND_AFTER, detail="the batch is to be sent later", until=batch.terms.send_after)
    opens = opens_at(batch.terms.window, now)
    return Hold(code=HoldCode.QUIET_HOURS, detail="the batch's window is closed", until=opens) if opens > now else None


def strongest(holds: Iterable[Hold | None]) -> Hold | None:
    """Return the hold that outlasts the others; None when there is none."""
    return min((hold for hold in holds if hold), key=lambda hold: _STRENGTH[hold.code], default=None)


class PlainOutlook:
    """Knows of no hold, and takes it that every message takes the same time; `send_s` is how long."""

    def __init__(self, now: Callable[[], float], send_s: float) -> None:
        self._now = now
        self._send_s = send_s

    def hold(self, session_id: SessionId, *, is_first_contact: bool) -> Hold | None:
        """Return None."""
        del session_id, is_first_contact
        return None

    def estimate_at(self, session_id: SessionId, ahead_count: int, *, is_first_contact: bool) -> float | None:
        """Return when a message goes that so many go before."""
        del session_id, is_first_contact
        return self._now() + ahead_count * self._send_s
