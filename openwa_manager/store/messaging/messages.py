"""The messages themselves: how they get in, and how they are read; only `moves` changes their state."""

import sqlite3
from collections.abc import Iterable, Sequence

from openwa_manager.domain.messaging import sightings
from openwa_manager.domain.messaging.messages import (
    Attempt,
    BatchId,
    Body,
    Hold,
    Message,
    MessageId,
    MessageStatus,
    Origin,
    Recipient,
    Times,
)
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import Column, Row, query, text, to_json
from openwa_manager.store.ids import new_id
from openwa_manager.store.messaging.rows import VISIBLE, attempt_of, body_json, message_of

#: What a message takes on disk beside its body, with its indexes, roughly.
ROW_BYTES = 600
#: How many messages one read looks at for those that are wanted.
LOOKED_THROUGH = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to be kept; one that is `hold` sleeps until that ends. `quota_month` None: no quota counts it.

    `message_id` None: it gets one. Without `is_body_kept` its text is not, only its hash: it cannot be sent again.
    """

    origin: Origin
    recipient: Recipient
    body: Body
    times: Times
    status: MessageStatus = MessageStatus.QUEUED
    hold: Hold | None = None
    quota_month: str | None = None
    message_id: MessageId | None = None
    is_body_kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages are wanted; None: any."""

    statuses: Sequence[MessageStatus] = ()
    chat_ids: Sequence[str] | None = None
    batch_id: BatchId | None = None
    reference: str | None = None


def add_message(connection: sqlite3.Connection, new: NewMessage) -> Message:
    """Keep a message and return it as kept. What it takes of a quota has been reserved by the caller."""
    seq = _insert(connection, new)
    message = find_by_seq(connection, seq)
    if message is None:
        raise sqlite3.InternalError("an inserted message has no row")
    return message


def rows_of(news: Iterable[NewMessage]) -> list[dict[str, Column]]:
    """Return messages as they are kept, for `add_rows`; it is made before the write, in which others wait."""
    return [_row_of(new) for new in news]


def add_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Keep many messages; a few hundred at a time, for other writes wait meanwhile."""
    connection.executemany(_INSERT, rows)


def _insert(connection: sqlite3.Connection, new: NewMessage) -> int:
    seq = connection.execute(_INSERT, _row_of(new)).lastrowid
    if seq is None:
        raise sqlite3.InternalError("an inserted message has no rowid")
    return seq


def body_sha256(body: Body) -> str:
    """Return the hash by which an engine's copy of a message is recognised: that of its text or caption."""
    return sightings.body_sha256(body.text)


def size_of(body: Body) -> int:
    """Return how many bytes a message that says this takes on disk, roughly."""
    return len(body_json(body)) + ROW_BYTES


def _row_of(new: NewMessage) -> dict[str, Column]:
    origin, times, stored = new.origin, new.times, body_json(new.body) if new.is_body_kept else None
    due_at = new.hold.until if new.hold is not None and new.hold.until is not None else 0.0
    return {
        "message_id": new.message_id or new_id("msg", times.created_at),
        "session_id": origin.session_id,
        "user_id": origin.user_id,
        "user_key": origin.user_key,
        "batch_id": origin.batch_id,
        "reference": None if origin.reference is None else text(origin.reference),
        "route": origin.route,
        "priority": origin.priority.value,
        "replaces": origin.replaces,
        "recipient": text(new.recipient.to),
        "chat_id": text(new.recipient.chat_id),
        "is_first_contact": new.recipient.is_first_contact,
        "kind": new.body.kind,
        "body": stored,
        "body_sha256": body_sha256(new.body),
        "size_bytes": len(stored or "") + ROW_BYTES,
        "status": new.status,
        "due_at": due_at,
        "hold_code": new.hold.code if new.hold else None,
        "hold_detail": new.hold.detail if new.hold else None,
        "hold_until": new.hold.until if new.hold else None,
        "quota_month": new.quota_month,
        "created_at": times.created_at,
        "send_after": times.send_after,
        "expires_at": times.expires_at,
    }


_COLUMNS = (
    *("message_id", "session_id", "user_id", "user_key", "batch_id", "reference", "route", "priority", "replaces"),
    *("recipient", "chat_id", "is_first_contact", "kind", "body", "body_sha256", "size_bytes", "status", "due_at"),
    *("hold_code", "hold_detail", "hold_until", "quota_month", "created_at", "send_after", "expires_at"),
)
_INSERT = f"INSERT INTO message ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + name for name in _COLUMNS)})"  # noqa: S608 (names from above)


def find_message(connection: sqlite3.Connection, message_id: str) -> Message | None:
    """Return the message with this id; None when there is none."""
    sql = f"SELECT * FROM message WHERE message_id = ? AND {VISIBLE}"  # noqa: S608 (our words)
    row = query(connection, sql, (message_id,)).fetchone()
    return message_of(row) if row else None


def find_by_seq(connection: sqlite3.Connection, seq: int) -> Message | None:
    """Return the message with this place in the order of arrival; None when there is none."""
    row = query(connection, "SELECT * FROM message WHERE seq = ?", (seq,)).fetchone()
    return message_of(row) if row else None


#: Messages of a session that had the same id before are not among these.
_OWN = "seq > ifnull((SELECT since_seq FROM queue WHERE queue.session_id = message.session_id), 0)"


def find_by_reference(connection: sqlite3.Connection, session_id: SessionId, reference: str) -> Message | None:
    """Return the newest message of the session with this reference; None when there is none."""
    sql = f"""
        SELECT * FROM message WHERE session_id = ? AND reference = ? AND {_OWN} AND {VISIBLE}
        ORDER BY seq DESC LIMIT 1"""  # noqa: S608 (our words)
    row = query(connection, sql, (session_id, text(reference))).fetchone()
    return message_of(row) if row else None


def find_references(
    connection: sqlite3.Connection, session_id: SessionId, references: Sequence[str], since: float
) -> dict[str, MessageId]:
    """Return by reference the newest message of the session that waits or ended since then; some hundreds at most."""
    sql = f"""
        SELECT reference, message_id FROM message INDEXED BY message_by_reference
        WHERE session_id = ? AND reference IS NOT NULL AND reference IN (SELECT value FROM json_each(?))
            AND (ended_at IS NULL OR ended_at > ?) AND {_OWN} AND {VISIBLE} ORDER BY seq"""  # noqa: S608 (our words)
    rows = connection.execute(sql, (session_id, to_json([text(each) for each in references]), since))
    return {reference: MessageId(message_id) for reference, message_id in rows}


def find_replacement(connection: sqlite3.Connection, message_id: MessageId) -> Message | None:
    """Return the newest message that was sent in the place of another; None when there is none."""
    sql = "SELECT * FROM message WHERE replaces = ? ORDER BY seq DESC LIMIT 1"
    row = query(connection, sql, (message_id,)).fetchone()
    return message_of(row) if row else None


def find_by_whatsapp_id(connection: sqlite3.Connection, session_id: SessionId, whatsapp_id: str) -> Message | None:
    """Return the session's message that WhatsApp knows by this id; None when there is none."""
    sql = "SELECT * FROM message WHERE session_id = ? AND whatsapp_message_id = ? ORDER BY seq LIMIT 1"
    row = query(connection, sql, (session_id, text(whatsapp_id))).fetchone()
    return message_of(row) if row else None


def read_attempts(connection: sqlite3.Connection, messages: Sequence[Message]) -> dict[MessageId, list[Attempt]]:
    """Return every attempt at these messages, oldest first."""
    seqs = {message.seq: message.message_id for message in messages if message.attempt_count}
    sql = "SELECT * FROM attempt WHERE message_seq IN (SELECT value FROM json_each(?)) ORDER BY message_seq, number"
    attempts: dict[MessageId, list[Attempt]] = {}
    for row in query(connection, sql, (to_json(list(seqs)),)):
        attempts.setdefault(seqs[row["message_seq"]], []).append(attempt_of(row))
    return attempts


def read_messages(
    connection: sqlite3.Connection,
    session_id: SessionId,
    wanted: MessageFilter,
    before_seq: int | None = None,
    limit: int = 100,
) -> list[Message]:
    """Return the session's messages that fit, newest first, at most `limit`, older than `before_seq` (None: all)."""
    found: list[Message] = []
    while before_seq != 0 and len(found) < limit:
        some, before_seq = read_some(connection, session_id, wanted, before_seq, limit - len(found))
        found += some
    return found


def read_some(
    connection: sqlite3.Connection,
    session_id: SessionId,
    wanted: MessageFilter,
    before_seq: int | None,
    limit: int,
    at_most: int = LOOKED_THROUGH,
) -> tuple[list[Message], int]:
    """Return as `read_messages` what is found among `at_most` messages, and where to go on (0: there are no more).

    Other reads wait meanwhile.
    """
    index = _index(wanted)
    before_seq = _LAST if before_seq is None else before_seq
    from_seq = 0 if index != _BY_SESSION else _from_seq(connection, session_id, before_seq, at_most)
    conditions = ["session_id = :session_id", VISIBLE, "seq < :before_seq", "seq >= :from_seq"]
    values: dict[str, Column] = {
        "session_id": session_id,
        "limit": limit,
        "before_seq": before_seq,
        "from_seq": from_seq,
    }
    for condition, name, value in _conditions(wanted):
        conditions.append(condition)
        values[name] = value
    sql = f"""
        SELECT * FROM message INDEXED BY {index} WHERE {" AND ".join(conditions)}
        ORDER BY seq DESC LIMIT :limit"""  # noqa: S608 (our words)
    return [message_of(row) for row in query(connection, sql, values)], from_seq


_BY_SESSION = "message_by_session"
#: More than any message has.
_LAST = 2**63 - 1


def _index(wanted: MessageFilter) -> str:
    if wanted.chat_ids is not None:
        return "message_by_chat"
    if wanted.reference is not None:
        return "message_by_reference"
    return _BY_SESSION if wanted.batch_id is None else "message_by_batch"


def _from_seq(connection: sqlite3.Connection, session_id: SessionId, before_seq: int, at_most: int) -> int:
    sql = """
        SELECT seq FROM message INDEXED BY message_by_session
        WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ?"""
    row = connection.execute(sql, (session_id, before_seq, at_most - 1)).fetchone()
    return row[0] if row else 0


def _conditions(wanted: MessageFilter) -> list[tuple[str, str, Column]]:
    found: list[tuple[str, str, Column]] = []
    if wanted.statuses:
        found.append(("status IN (SELECT value FROM json_each(:statuses))", "statuses", to_json(list(wanted.statuses))))
    if wanted.chat_ids is not None:
        found.append(
            ("chat_id IN (SELECT value FROM json_each(:chat_ids))", "chat_ids", to_json(list(wanted.chat_ids)))
        )
    if wanted.batch_id is not None:
        found.append(("batch_id = :batch_id AND batch_id <> ''", "batch_id", wanted.batch_id))
    if wanted.reference is not None:
        found.append(("reference = :reference", "reference", text(wanted.reference)))
    return found
