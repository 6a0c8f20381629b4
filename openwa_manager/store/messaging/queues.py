"""What is known of a session's queue beside its messages: whether it goes, what holds it, how it paces."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields

from openwa_manager.domain.diagnosis.session_rules import EndedMessages
from openwa_manager.domain.messaging.messages import Hold, HoldCode, MessageStatus
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import Column, query, text

#: How much of a new measurement counts in the mean time of a send.
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimit:
    """What WhatsApp took from the account, until wall time `until` (None: not told)."""

    kind: str
    until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One session's queue; `profile` None: the daemon's default. `held` is what a person or a proof must end.

    `send_s` is the mean time of a send so far (None: none was measured). `sent_at` is when a message left last, or may
    have, `first_contact_at` when one to somebody new did; gaps are counted from there. `restricted_at` is when `limit`
    was set, or lifted, last.
    """

    session_id: SessionId
    is_paused: bool = False
    profile: str | None = None
    held: Hold | None = None
    limit: AccountLimit | None = None
    restricted_at: float | None = None
    overdue_count: int = 0
    linked_number: str | None = None
    linked_at: float | None = None
    away_since: float | None = None
    chats_known_at: float | None = None
    send_s: float | None = None
    sent_at: float | None = None
    first_contact_at: float | None = None
    day: str | None = None
    day_first_contacts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SentNote:
    """That a message was sent at wall time `at`, after `send_s`; `day` is the day it counts for."""

    at: float
    send_s: float
    is_first_contact: bool
    day: str


def read_queue(connection: sqlite3.Connection, session_id: SessionId) -> QueueRow:
    """Return what is known of a session's queue."""
    row = query(connection, "SELECT * FROM queue WHERE session_id = ?", (session_id,)).fetchone()
    return QueueRow(session_id=session_id) if row is None else _queue_of(row)


def _queue_of(row: sqlite3.Row) -> QueueRow:
    held = None
    if row["held_code"] is not None:
        held = Hold(code=HoldCode(row["held_code"]), detail=row["held_detail"] or "")
    limit = None
    if row["restricted_kind"] is not None:
        limit = AccountLimit(kind=row["restricted_kind"], until=row["restricted_until"])
    plain = {each.name for each in fields(QueueRow)} - {"session_id", "is_paused", "held", "limit"}
    return QueueRow(
        session_id=SessionId(row["session_id"]),
        is_paused=row["state"] == "paused",
        held=held,
        limit=limit,
        **{name: row[name] for name in plain},
    )


def set_paused(connection: sqlite3.Connection, session_id: SessionId, *, is_paused: bool) -> None:
    """Pause the queue, or let it go on: then nothing that a person must end holds it any more."""
    if is_paused:
        _set(connection, session_id, state="paused")
    else:
        _set(connection, session_id, state="active", held_code=None, held_detail=None, overdue_count=0)


def set_profile(connection: sqlite3.Connection, session_id: SessionId, profile: str) -> None:
    """Choose the pacing profile; it counts from the next message on."""
    _set(connection, session_id, profile=profile)


def note_limit(connection: sqlite3.Connection, session_id: SessionId, limit: AccountLimit | None, at: float) -> None:
    """Note what WhatsApp took from the account, as is told at wall time `at`; None: nothing."""
    kind, until = (limit.kind, limit.until) if limit else (None, None)
    _set(connection, session_id, restricted_kind=kind, restricted_until=until, restricted_at=at)


def note_link(connection: sqlite3.Connection, session_id: SessionId, number: str, at: float) -> None:
    """Note which number the session is linked with from now on: whoever that one has written to is not known."""
    _set(connection, session_id, linked_number=number, linked_at=at, chats_known_at=None)


def note_away(connection: sqlite3.Connection, session_id: SessionId, since: float | None) -> None:
    """Note since when the session has no link; None: it has one."""
    _set(connection, session_id, away_since=since)


def note_sent(connection: sqlite3.Connection, session_id: SessionId, sent: SentNote) -> None:
    """Count a message that was sent."""
    row = read_queue(connection, session_id)
    mean_s = sent.send_s if row.send_s is None else row.send_s + _WEIGHT * (sent.send_s - row.send_s)
    counted = row.day_first_contacts if row.day == sent.day else 0
    _set(
        connection,
        session_id,
        sent_at=sent.at,
        send_s=mean_s,
        day=sent.day,
        day_first_contacts=counted + sent.is_first_contact,
        first_contact_at=sent.at if sent.is_first_contact else row.first_contact_at,
    )


def note_maybe_sent(
    connection: sqlite3.Connection, session_id: SessionId, at: float, *, is_first_contact: bool
) -> None:
    """Note that a message may have left at wall time `at`: it counts as nothing, but a gap follows it."""
    _set(connection, session_id, sent_at=at, **({"first_contact_at": at} if is_first_contact else {}))


def _set(connection: sqlite3.Connection, session_id: SessionId, **values: Column) -> None:
    connection.execute("INSERT OR IGNORE INTO queue (session_id) VALUES (?)", (session_id,))
    changes = ", ".join(f"{name} = :{name}" for name in values)
    connection.execute(
        f"UPDATE queue SET {changes} WHERE session_id = :session_id",  # noqa: S608 (our words)
        {**values, "session_id": session_id},
    )


def count_ended(connection: sqlite3.Connection, session_id: SessionId, since: float) -> Counter[MessageStatus]:
    """Return how many messages of the session ended since then, by the state they are in now."""
    sql = """
        SELECT status, count(*) FROM message INDEXED BY message_of_late
        WHERE session_id = ? AND ended_at >= ? GROUP BY status"""
    rows = connection.execute(sql, (session_id, since))
    return Counter({MessageStatus(status): count for status, count in rows})


#: So many reasons of one session are told apart; there are some twenty codes, each with a few details.
_ENDINGS_MAX = 100


def group_bad_endings(connection: sqlite3.Connection, session_id: SessionId, since: float) -> list[EndedMessages]:
    """Return why messages of the session did not get through since then, the most frequent first."""
    sql = """
        SELECT status, coalesce(error_code, '') AS code, coalesce(error_detail, '') AS detail, count(*) AS count
        FROM message INDEXED BY message_of_late
        WHERE session_id = :session_id AND ended_at >= :since AND status IN ('failed', 'bounced', 'expired', 'unknown')
        GROUP BY status, code, detail ORDER BY count DESC LIMIT :limit"""
    rows = query(connection, sql, {"session_id": session_id, "since": since, "limit": _ENDINGS_MAX})
    return [
        EndedMessages(status=MessageStatus(row["status"]), code=row["code"], detail=row["detail"], count=row["count"])
        for row in rows
    ]


def forget_queue(connection: sqlite3.Connection, session_id: SessionId) -> None:
    """Forget what was known of the queue of a session that is gone: one made under its id begins anew."""
    for table in ("queue", "contact", "early_ack"):
        connection.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))  # noqa: S608 (our words)


def begin_queue(connection: sqlite3.Connection, session_id: SessionId) -> None:
    """Begin the queue of a new session: the messages of one that had its id before are no answers to its callers."""
    forget_queue(connection, session_id)
    connection.execute(_BEGIN, (session_id,))


_BEGIN = """
    INSERT INTO queue (session_id, since_seq)
    SELECT session_id, seq FROM message WHERE session_id = ? ORDER BY seq DESC LIMIT 1"""


def read_since(connection: sqlite3.Connection, session_id: SessionId) -> int:
    """Return behind which `seq` the session's messages begin; those up to it are of one that had its id before."""
    row = connection.execute("SELECT since_seq FROM queue WHERE session_id = ?", (session_id,)).fetchone()
    return int(row[0] or 0) if row else 0


def pause_batches(connection: sqlite3.Connection, session_id: SessionId, detail: str) -> Sequence[str]:
    """Pause all batches of the session that go on, and return which those were."""
    sql = """
        UPDATE batch SET state = 'paused', paused_detail = ?
        WHERE session_id = ? AND state = 'active' RETURNING batch_id"""
    return [batch_id for (batch_id,) in connection.execute(sql, (text(detail), session_id))]
