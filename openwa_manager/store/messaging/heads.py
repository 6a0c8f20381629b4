"""What may be sent next: the heads of a session's sub-queues, how long they are, and when something wakes or expires.

The ready messages of a session stand in sub-queues, one for each batch and for those of no batch, and in each one for
first contacts and one for known chats: what holds one of them leaves the others alone. No query here reads more rows
than there are sub-queues.
"""

import sqlite3
from collections.abc import Sequence
from heapq import merge
from itertools import islice

from openwa_manager.domain.messaging.messages import BatchId, Message, MessageId, MessageStatus
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import query, to_json
from openwa_manager.store.messaging.rows import message_of

#: How many sleeping messages are woken in one write.
WOKEN_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SubQueue:
    """Messages of one session that wait in one line; `message_count` counts those that sleep too."""

    batch_id: BatchId
    is_first_contact: bool
    message_count: int


def wake_due(connection: sqlite3.Connection, session_id: SessionId, now: float) -> int:
    """Let what slept until `now` be ready, at most `WOKEN_MAX`; return how many that were."""
    sql = """
        UPDATE message SET due_at = 0, hold_code = NULL, hold_detail = NULL, hold_until = NULL
        WHERE seq IN (
            SELECT seq FROM message INDEXED BY message_asleep
            WHERE session_id = ? AND status = 'queued' AND due_at > 0 AND due_at <= ? ORDER BY due_at LIMIT ?)"""
    return connection.execute(sql, (session_id, now, WOKEN_MAX)).rowcount


def next_due_at(connection: sqlite3.Connection, session_id: SessionId) -> float | None:
    """Return when the next sleeping message wakes (wall time); None: none sleeps."""
    sql = """
        SELECT due_at FROM message INDEXED BY message_asleep
        WHERE session_id = ? AND status = 'queued' AND due_at > 0 ORDER BY due_at LIMIT 1"""
    row = connection.execute(sql, (session_id,)).fetchone()
    return float(row[0]) if row else None


def next_expiry_at(connection: sqlite3.Connection, session_id: SessionId) -> float | None:
    """Return when the next waiting message expires (wall time); None: none waits."""
    sql = """
        SELECT expires_at FROM message INDEXED BY message_expiring
        WHERE session_id = ? AND status = 'queued' ORDER BY expires_at LIMIT 1"""
    row = connection.execute(sql, (session_id,)).fetchone()
    return float(row[0]) if row else None


def read_expired(connection: sqlite3.Connection, session_id: SessionId, now: float, limit: int = 500) -> list[Message]:
    """Return waiting messages whose time is over, at most `limit`."""
    sql = """
        SELECT * FROM message INDEXED BY message_expiring
        WHERE session_id = ? AND status = 'queued' AND expires_at <= ?
            AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')
        ORDER BY expires_at LIMIT ?"""
    return [message_of(row) for row in query(connection, sql, (session_id, now, limit))]


def read_sub_queues(connection: sqlite3.Connection, session_id: SessionId) -> list[SubQueue]:
    """Return the sub-queues in which something waits."""
    sql = """
        SELECT batch_id, is_first_contact, message_count FROM message_tally INDEXED BY message_tally_waiting
        WHERE session_id = ? AND status = 'queued' AND message_count > 0
            AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')"""
    return [
        SubQueue(batch_id=BatchId(batch_id), is_first_contact=bool(is_first), message_count=count)
        for batch_id, is_first, count in connection.execute(sql, (session_id,))
    ]


def read_head(connection: sqlite3.Connection, session_id: SessionId, sub_queue: SubQueue) -> Message | None:
    """Return the first ready message of a sub-queue; None when all of them sleep."""
    sql = """
        SELECT * FROM message INDEXED BY message_ready
        WHERE session_id = ? AND batch_id = ? AND is_first_contact = ? AND status = 'queued' AND due_at = 0
        ORDER BY priority, seq LIMIT 1"""
    row = query(connection, sql, (session_id, sub_queue.batch_id, sub_queue.is_first_contact)).fetchone()
    return message_of(row) if row else None


def read_in_flight(connection: sqlite3.Connection, session_id: SessionId) -> list[Message]:
    """Return the messages of which it is not known whether they were sent, oldest first."""
    sql = "SELECT * FROM message INDEXED BY message_in_flight WHERE session_id = ? AND status = 'sending' ORDER BY seq"
    return [message_of(row) for row in query(connection, sql, (session_id,))]


def sessions_with_open(connection: sqlite3.Connection) -> list[SessionId]:
    """Return the sessions in which a message waits or is in flight."""
    sql = """
        SELECT DISTINCT session_id FROM message_tally
        WHERE status IN ('queued', 'sending') AND message_count > 0"""
    return [SessionId(session_id) for (session_id,) in connection.execute(sql)]


def count_by_status(connection: sqlite3.Connection, session_id: SessionId) -> dict[MessageStatus, int]:
    """Return how many messages of the session are in each state in which there are any."""
    sql = """
        SELECT status, sum(message_count) FROM message_tally
        WHERE session_id = ?
            AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')
        GROUP BY status HAVING sum(message_count) > 0"""
    return {MessageStatus(status): int(count) for status, count in connection.execute(sql, (session_id,))}


def waiting_on_host(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many messages wait in all sessions, and how many bytes they take."""
    sql = """
        SELECT coalesce(sum(message_count), 0), coalesce(sum(size_bytes), 0)
        FROM message_tally INDEXED BY message_tally_waiting
        WHERE status = 'queued' AND message_count > 0"""
    count, size_bytes = connection.execute(sql).fetchone()
    return int(count), int(size_bytes)


def waiting_in(connection: sqlite3.Connection, session_id: SessionId) -> int:
    """Return how many messages of the session wait, those of a batch that is being taken in among them."""
    sql = """
        SELECT coalesce(sum(message_count), 0) FROM message_tally INDEXED BY message_tally_waiting
        WHERE session_id = ? AND status = 'queued' AND message_count > 0"""
    return int(connection.execute(sql, (session_id,)).fetchone()[0])


def waiting_batches(connection: sqlite3.Connection, session_id: SessionId) -> int:
    """Return of how many batches something waits in the session, of one that is being taken in too."""
    sql = """
        SELECT count(DISTINCT batch_id) FROM message_tally INDEXED BY message_tally_waiting
        WHERE session_id = ? AND batch_id <> '' AND status = 'queued' AND message_count > 0"""
    return int(connection.execute(sql, (session_id,)).fetchone()[0])


def first_in_line(connection: sqlite3.Connection, session_id: SessionId, limit: int) -> list[MessageId]:
    """Return the ready messages of the session in the order in which they go, as far as nothing holds them."""
    sql = """
        SELECT message_id, priority, seq FROM message INDEXED BY message_ready
        WHERE session_id = ? AND batch_id = ? AND is_first_contact = ? AND status = 'queued' AND due_at = 0
        ORDER BY priority, seq LIMIT ?"""
    lines = [
        connection.execute(sql, (session_id, each.batch_id, each.is_first_contact, limit)).fetchall()
        for each in read_sub_queues(connection, session_id)
    ]
    ordered = merge(*lines, key=lambda row: (row[1], row[2]))
    return [MessageId(message_id) for message_id, _, _ in islice(ordered, limit)]


def count_ahead(connection: sqlite3.Connection, message: Message) -> int:
    """Return how many ready messages of the session go before this one, as far as nothing holds them."""
    sql = """
        SELECT count(*) FROM message INDEXED BY message_ready
        WHERE session_id = ? AND batch_id = ? AND is_first_contact = ? AND status = 'queued' AND due_at = 0
            AND (priority, seq) < (?, ?)"""
    session_id, priority = message.origin.session_id, message.origin.priority.value
    return sum(
        int(
            connection.execute(
                sql, (session_id, each.batch_id, each.is_first_contact, priority, message.seq)
            ).fetchone()[0]
        )
        for each in read_sub_queues(connection, session_id)
    )


def count_first_contacts(connection: sqlite3.Connection, session_id: SessionId) -> int:
    """Return how many first contacts of no batch wait in the session."""
    sql = """
        SELECT coalesce(sum(message_count), 0) FROM message_tally
        WHERE session_id = ? AND batch_id = '' AND status = 'queued' AND is_first_contact = 1"""
    return int(connection.execute(sql, (session_id,)).fetchone()[0])


def newest_seq(connection: sqlite3.Connection) -> int:
    """Return the place of the message that came last; 0 when there was none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM message").fetchone()[0])


def read_waiting(connection: sqlite3.Connection, session_id: SessionId, newest_seq: int, limit: int) -> list[MessageId]:
    """Return ids of messages of the session that wait, up to a place in the order of arrival, at most `limit`."""
    sql = """
        SELECT message_id FROM message INDEXED BY message_expiring
        WHERE session_id = ? AND status = 'queued' AND seq <= ?
            AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')
        ORDER BY expires_at LIMIT ?"""
    return [MessageId(message_id) for (message_id,) in connection.execute(sql, (session_id, newest_seq, limit))]


def media_owners(connection: sqlite3.Connection) -> set[str]:
    """Return the batches that go on, and the messages of none that wait or are in flight and have a file."""
    batches = connection.execute("SELECT batch_id FROM batch WHERE ended_at IS NULL")
    messages = connection.execute(
        """SELECT message_id FROM message WHERE batch_id = '' AND status IN ('queued', 'sending') AND kind <> 'text'"""
    )
    return {owner for (owner,) in (*batches, *messages)}


def ended_among(connection: sqlite3.Connection, message_ids: Sequence[str]) -> list[MessageId]:
    """Return those of some hundred messages that have ended."""
    sql = """
        SELECT message_id FROM message
        WHERE message_id IN (SELECT value FROM json_each(?)) AND ended_at IS NOT NULL"""
    return [MessageId(message_id) for (message_id,) in connection.execute(sql, (to_json(list(message_ids)),))]
