"""The one door through which a message changes its state: by the table of the domain, with its quota and its body."""

import sqlite3
from dataclasses import replace

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.messaging.messages import (
    BODY_USES,
    FINAL,
    NO_BATCH,
    OPEN,
    PROGRESS,
    RESENDABLE,
    Attempt,
    AttemptOutcome,
    BodyUse,
    Message,
    MessageId,
    MessageStatus,
    Move,
    may_move,
    told_of,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import Column, text
from openwa_manager.store.messaging import batches, contacts, quotas
from openwa_manager.store.messaging.messages import ROW_BYTES, NewMessage, add_message, find_message
from openwa_manager.store.messaging.rows import attempt_row

_S = MessageStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageMoved:
    """A step that was taken: the message before and after it, and the events that tell of it, yet to be stored."""

    before: Message
    after: Message
    events: tuple[Event, ...]


def move(connection: sqlite3.Connection, message_id: MessageId, step: Move) -> MessageMoved | None:
    """Take the step and return what came of it; None when the message is in no state that allows it, or is gone.

    Its quota is booked or given back, its body wiped, its chat known once something was sent there. What did not get
    through calls off what waits behind it in a batch that stops on errors (at most some hundred). The caller stores
    the events in the same transaction (`outbox.append`).
    """
    before = find_message(connection, message_id)
    return None if before is None else move_found(connection, before, step)


def move_found(connection: sqlite3.Connection, before: Message, step: Move) -> MessageMoved | None:
    """Take a step of a message that was read in this very transaction, as `move` does."""
    if not may_move(before.status, step.to):
        return None
    after = _moved(before, step)
    if before.status in PROGRESS and step.to in PROGRESS:
        _write_progress(connection, after)
    else:
        _write(connection, after, step)
    if before.quota_month is not None:
        quotas.shift(connection, before.origin.user_key, before.quota_month, before.status, after.status)
    if before.status in OPEN and step.to in RESENDABLE and before.origin.batch_id != NO_BATCH:
        for message_id in batches.read_called_off(connection, before.origin.batch_id, before.seq):
            move(connection, message_id, Move(to=_S.CANCELLED, at=step.at))  # that tells nothing
    if step.to in PROGRESS and before.status not in PROGRESS:
        contacts.note_known(connection, before.origin.session_id, before.recipient.chat_id, step.at)
    return MessageMoved(before=before, after=after, events=_events(before, after, step))


def _moved(before: Message, step: Move) -> Message:
    times = before.times
    progress = PROGRESS.get(step.to, 0)
    times = replace(
        times,
        sent_at=times.sent_at or (step.at if progress else None),
        acked_at=times.acked_at or (step.at if step.is_ack else None),
        delivered_at=times.delivered_at or (step.at if progress >= PROGRESS[_S.DELIVERED] else None),
        read_at=times.read_at or (step.at if progress >= PROGRESS[_S.READ] else None),
        ended_at=times.ended_at or (step.at if step.to in FINAL else None),
    )
    is_wiped = BODY_USES[step.to] is BodyUse.NOTHING
    return replace(
        before,
        status=step.to,
        times=times,
        body=None if is_wiped else before.body,
        hold=step.hold if step.to is _S.QUEUED else None,
        error=step.error if step.error is not None or progress else before.error,
        whatsapp_message_id=step.whatsapp_message_id or before.whatsapp_message_id,
        ack_overdue=before.ack_overdue and not step.is_ack,
    )


_UPDATE = """
    UPDATE message SET status = :status, due_at = :due_at, hold_code = :hold_code, hold_detail = :hold_detail,
        hold_until = :hold_until, error_code = :error_code, error_detail = :error_detail,
        whatsapp_message_id = :whatsapp_message_id, ack_overdue = :ack_overdue, sent_at = :sent_at,
        acked_at = :acked_at, delivered_at = :delivered_at, read_at = :read_at, ended_at = :ended_at
    WHERE seq = :seq"""


def _write(connection: sqlite3.Connection, after: Message, step: Move) -> None:
    hold, error, times = after.hold, after.error, after.times
    values: dict[str, Column] = {
        "seq": after.seq,
        "status": after.status,
        "due_at": step.due_at,
        "hold_code": hold.code if hold else None,
        "hold_detail": text(hold.detail) if hold else None,
        "hold_until": hold.until if hold else None,
        "error_code": error.code if error else None,
        "error_detail": text(error.detail) if error else None,
        "whatsapp_message_id": None if after.whatsapp_message_id is None else text(after.whatsapp_message_id),
        "ack_overdue": after.ack_overdue,
        "sent_at": times.sent_at,
        "acked_at": times.acked_at,
        "delivered_at": times.delivered_at,
        "read_at": times.read_at,
        "ended_at": times.ended_at,
    }
    connection.execute(_UPDATE, values)
    if after.body is None:
        wipe = "UPDATE message SET body = NULL, size_bytes = ? WHERE seq = ? AND body IS NOT NULL"
        connection.execute(wipe, (ROW_BYTES, after.seq))


def _write_progress(connection: sqlite3.Connection, after: Message) -> None:
    """Write a step that changes nothing but how far a message has got, as most acknowledgements do.

    It leaves alone what other columns are indexed by.
    """
    times = after.times
    values = (after.status, after.ack_overdue, times.acked_at, times.delivered_at, times.read_at, after.seq)
    connection.execute(_PROGRESS, values)


_PROGRESS = """
    UPDATE message SET status = ?, ack_overdue = ?, acked_at = ?, delivered_at = ?, read_at = ? WHERE seq = ?"""


def _events(before: Message, after: Message, step: Move) -> tuple[Event, ...]:
    return tuple(event_of(type_, after, step.at) for type_ in told_of(before.status, step))


def event_of(type_: str, message: Message, at: float) -> Event:
    """Return the event that tells of a message; the store numbers it."""
    origin, error = message.origin, message.error
    data: dict[str, Json] = {
        "message_id": message.whatsapp_message_id,
        "manager_message_id": message.message_id,
        "batch_id": origin.batch_id or None,
        "to": message.recipient.to,
        "reference": origin.reference,
        "status": message.status.value,
        "error_code": error.code if error else None,
        "error_detail": error.detail if error else None,
    }
    return Event(type=type_, occurred_at=at, session_id=origin.session_id, user_id=origin.user_id, data=data)


def begin_attempt(connection: sqlite3.Connection, message_id: MessageId, attempt: Attempt) -> MessageMoved | None:
    """Record that the message is about to be asked of an engine; None when it waits no more.

    `number` of the attempt is ignored: it is the message's next.
    """
    moved = move(connection, message_id, Move(to=_S.SENDING, at=attempt.at))
    if moved is None:
        return None
    number = add_attempt(connection, moved.after, attempt)
    return replace(moved, after=replace(moved.after, attempt_count=number))


def add_sending(connection: sqlite3.Connection, new: NewMessage, attempt: Attempt) -> Message:
    """Keep a message that is about to be asked of an engine, with its first attempt, and return it."""
    message = add_message(connection, replace(new, status=_S.SENDING))
    return replace(message, attempt_count=add_attempt(connection, message, attempt))


def add_attempt(connection: sqlite3.Connection, message: Message, attempt: Attempt) -> int:
    """Record another attempt at a message and return its number."""
    number = message.attempt_count + 1
    row = attempt_row(message.seq, replace(attempt, number=number))
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO attempt ({columns}) VALUES ({values})", row)  # noqa: S608 (our words)
    connection.execute("UPDATE message SET attempt_count = ? WHERE seq = ?", (number, message.seq))
    connection.execute(_FORGET_NOT_TAKEN, (message.seq, message.attempt_count))
    return number


#: An engine that takes nothing may be asked for a day: of those attempts in a row only the last one is kept.
_FORGET_NOT_TAKEN = """
    DELETE FROM attempt WHERE message_seq = ?1 AND number < ?2 AND outcome = 'not_taken'
        AND EXISTS (SELECT 1 FROM attempt WHERE message_seq = ?1 AND number = ?2 AND outcome = 'not_taken')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """What became of an attempt; `next_at` is when the message is asked again (None: it is not)."""

    at: float
    outcome: AttemptOutcome
    http_status: int | None = None
    code: str | None = None
    next_at: float | None = None


def end_attempt(connection: sqlite3.Connection, message: Message, end: AttemptEnd) -> None:
    """Record what became of the message's last attempt."""
    sql = """
        UPDATE attempt SET ended_at = ?, outcome = ?, http_status = ?, code = ?, next_at = ?
        WHERE message_seq = ? AND number = ?"""
    values = (end.at, end.outcome, end.http_status, end.code, end.next_at, message.seq, message.attempt_count)
    connection.execute(sql, values)
