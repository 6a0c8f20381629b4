"""What a session's queue has to do: the best messages that may leave, and when something wakes, expires or is asked."""

import sqlite3
from collections import Counter

from openwa_manager.domain.messaging.batches import Batch
from openwa_manager.domain.messaging.messages import NO_BATCH, BatchId, HoldCode, Message
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import query
from openwa_manager.store.messaging.batches import find_batches
from openwa_manager.store.messaging.heads import next_due_at, next_expiry_at, read_sub_queues
from openwa_manager.store.messaging.rows import message_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The first ready message of a sub-queue, and its batch (None: it is in none)."""

    message: Message
    batch: Batch | None = None


def read_candidates(connection: sqlite3.Connection, session_id: SessionId) -> list[Candidate]:
    """Return what may be sent next, the best first: by priority, then by arrival."""
    heads = [message_of(row) for row in query(connection, _HEADS, (session_id,))]
    ready = sorted(heads, key=lambda each: (each.origin.priority, each.seq))
    in_batches = list({each.origin.batch_id for each in ready} - {NO_BATCH})
    batches = find_batches(connection, in_batches) if in_batches else {}
    return [Candidate(message=each, batch=batches.get(each.origin.batch_id)) for each in ready]


_HEADS = """
    SELECT message.* FROM message_tally AS line INDEXED BY message_tally_waiting
    CROSS JOIN message ON message.seq = (
        SELECT head.seq FROM message AS head INDEXED BY message_ready
        WHERE head.session_id = line.session_id AND head.batch_id = line.batch_id
            AND head.is_first_contact = line.is_first_contact AND head.status = 'queued' AND head.due_at = 0
        ORDER BY head.priority, head.seq LIMIT 1)
    WHERE line.session_id = ? AND line.status = 'queued' AND line.message_count > 0
        AND line.batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')"""


def read_interrupted(connection: sqlite3.Connection, session_id: SessionId) -> list[Message]:
    """Return the messages whose last attempt has no end: a daemon ended while they were being sent."""
    sql = """
        SELECT message.* FROM message INDEXED BY message_in_flight JOIN attempt
            ON attempt.message_seq = message.seq AND attempt.number = message.attempt_count
        WHERE session_id = ? AND status = 'sending' AND attempt.ended_at IS NULL ORDER BY seq"""
    return [message_of(row) for row in query(connection, sql, (session_id,))]


def next_question_at(connection: sqlite3.Connection, session_id: SessionId) -> tuple[float, Message] | None:
    """Return the message in flight that is asked about first, and when (wall time); None: none is."""
    sql = """
        SELECT message.*, attempt.next_at AS asked_at FROM message INDEXED BY message_in_flight JOIN attempt
            ON attempt.message_seq = message.seq AND attempt.number = message.attempt_count
        WHERE session_id = ? AND status = 'sending' AND attempt.next_at IS NOT NULL
        ORDER BY attempt.next_at LIMIT 1"""
    row = query(connection, sql, (session_id,)).fetchone()
    return None if row is None else (row["asked_at"], message_of(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a queue has to do, now and next; times are wall time, None: nothing of the kind."""

    candidates: list[Candidate]
    waiting_count: int
    due_at: float | None
    expiry_at: float | None
    question: tuple[float, Message] | None


def read_outlook(connection: sqlite3.Connection, session_id: SessionId) -> Outlook:
    """Return what the session's queue has to do."""
    return Outlook(
        candidates=read_candidates(connection, session_id),
        waiting_count=sum(each.message_count for each in read_sub_queues(connection, session_id)),
        due_at=next_due_at(connection, session_id),
        expiry_at=next_expiry_at(connection, session_id),
        question=next_question_at(connection, session_id),
    )


def count_asleep(connection: sqlite3.Connection, session_id: SessionId) -> Counter[tuple[BatchId, bool, HoldCode]]:
    """Return how many messages of the session sleep, by their sub-queue and by what they wait for."""
    sql = """
        SELECT batch_id, is_first_contact, hold_code, count(*) FROM message INDEXED BY message_asleep
        WHERE session_id = ? AND status = 'queued' AND due_at > 0 AND hold_code IS NOT NULL
        GROUP BY batch_id, is_first_contact, hold_code"""
    rows = connection.execute(sql, (session_id,))
    return Counter(
        {(BatchId(batch_id), bool(is_first), HoldCode(code)): count for batch_id, is_first, code, count in rows}
    )
