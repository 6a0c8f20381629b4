"""What a database that has taken the place of a newer one must not do: send what that one may have sent."""

import sqlite3

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import (
    AttemptOutcome,
    HoldCode,
    MessageError,
    MessageId,
    MessageStatus,
    Move,
)
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import moves
from openwa_manager.store.messaging.holding import hold
from openwa_manager.store.messaging.moves import AttemptEnd

#: How many messages are given up in one write.
SLICE = 100
_DETAIL = "the database was put back from a copy: what waits may have been sent since"


def has_messages(connection: sqlite3.Connection) -> bool:
    """Tell whether any message is kept."""
    return connection.execute("SELECT 1 FROM message LIMIT 1").fetchone() is not None


def newest_at(connection: sqlite3.Connection) -> float | None:
    """Return when something was stored last (wall time); None: nothing ever was."""
    sql = """
        SELECT max(coalesce((SELECT noted_at FROM message_clock), 0),
                   coalesce((SELECT occurred_at FROM event ORDER BY seq DESC LIMIT 1), 0))"""
    return connection.execute(sql).fetchone()[0] or None


def hold_waiting(connection: sqlite3.Connection, at: float) -> list[Event]:
    """Hold every queue in which something waits until a person lets it go; return the events that tell of it."""
    sql = """
        SELECT DISTINCT session_id FROM message_tally
        WHERE status = 'queued' AND message_count > 0
            AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')
        ORDER BY session_id"""
    session_ids = [SessionId(session_id) for (session_id,) in connection.execute(sql)]
    held = (hold(connection, session_id, HoldCode.RESTORED, _DETAIL, at) for session_id in session_ids)
    return [event for events in held for event in events]


def give_up_asked(connection: sqlite3.Connection, at: float) -> tuple[int, list[Event]]:
    """Let messages that an engine was asked for be `unknown`, at most `SLICE`: what came of it was told to another.

    Return how many that were, and the events that tell of it, yet to be stored.
    """
    sql = "SELECT message_id FROM message INDEXED BY message_in_flight WHERE status = 'sending' LIMIT ?"
    asked = [MessageId(message_id) for (message_id,) in connection.execute(sql, (SLICE,))]
    events = list[Event]()
    for message_id in asked:
        error = MessageError(code=EndCode.DATABASE_RESTORED, detail=ENDS[EndCode.DATABASE_RESTORED])
        moved = moves.move(connection, message_id, Move(to=MessageStatus.UNKNOWN, at=at, error=error))
        if moved is not None:
            moves.end_attempt(connection, moved.after, AttemptEnd(at=at, outcome=AttemptOutcome.UNCERTAIN))
            events.extend(moved.events)
    return len(asked), events
