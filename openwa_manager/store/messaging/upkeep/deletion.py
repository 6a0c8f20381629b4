"""What becomes of the messages of a session that is about to be gone, a slice at a time for others wait meanwhile."""

import sqlite3
from collections.abc import Sequence

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import (
    AttemptOutcome,
    BatchId,
    MessageError,
    MessageStatus,
    Move,
)
from openwa_manager.domain.messaging.words import EndCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import heads
from openwa_manager.store.messaging.moves import AttemptEnd, end_attempt, move
from openwa_manager.store.messaging.proofs.acks import settle_early_acks

_SLICE = 100
_FORGOTTEN_SLICE = 500
_ASKED = MessageError(
    code=EndCode.SESSION_DELETED, detail="the session was deleted before it was known whether this was sent"
)


def give_up_asked(connection: sqlite3.Connection, session_id: SessionId, at: float) -> tuple[int, Sequence[Event]]:
    """Let messages that the engine was asked for be `unknown`, at most a slice: nobody can be asked about them now.

    Return how many that were, and the events that tell of it, yet to be stored.
    """
    events = list[Event]()
    asked = heads.read_in_flight(connection, session_id)[:_SLICE]
    for message in asked:
        moved = move(connection, message.message_id, Move(to=MessageStatus.UNKNOWN, at=at, error=_ASKED))
        if moved is not None:
            end_attempt(
                connection,
                moved.after,
                AttemptEnd(at=at, outcome=AttemptOutcome.UNCERTAIN, code=EndCode.SESSION_DELETED),
            )
            events += moved.events
    events += settle_early_acks(connection, session_id, None, at)
    return len(asked), events


def next_open_batch(connection: sqlite3.Connection, session_id: SessionId) -> BatchId | None:
    """Return a batch of the session whose end was not noted; None: there is none."""
    sql = """
        SELECT batch_id FROM batch INDEXED BY batch_by_session
        WHERE session_id = ? AND ended_at IS NULL AND state <> 'staging' LIMIT 1"""
    row = connection.execute(sql, (session_id,)).fetchone()
    return None if row is None else BatchId(row[0])


def forget_some(connection: sqlite3.Connection, session_id: SessionId) -> bool:
    """Forget some of the callers' keys of the session, and of the chats it knows or asked about; False at the end."""
    keys = connection.execute(_FORGET_KEYS, (session_id, session_id, _FORGOTTEN_SLICE)).rowcount
    chats = connection.execute(_FORGET_CHATS, (session_id, session_id, _FORGOTTEN_SLICE)).rowcount
    asked = connection.execute(_FORGET_CHECKS, (session_id, session_id, _FORGOTTEN_SLICE)).rowcount
    return keys + chats + asked > 0


_FORGET_KEYS = """
    DELETE FROM idempotency WHERE session_id = ?
        AND (scope, key) IN (SELECT scope, key FROM idempotency WHERE session_id = ? LIMIT ?)"""
_FORGET_CHATS = """
    DELETE FROM contact WHERE session_id = ?
        AND chat_id IN (SELECT chat_id FROM contact WHERE session_id = ? LIMIT ?)"""
_FORGET_CHECKS = """
    DELETE FROM number_check WHERE session_id = ?
        AND digits IN (SELECT digits FROM number_check WHERE session_id = ? LIMIT ?)"""
