"""Holds the queue of a session for a reason that a person should know."""

import sqlite3
from typing import Final

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import HoldCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import text

#: The holds that are kept, the strongest first: a weaker one does not take the place of a stronger one.
_STRENGTH: Final = (HoldCode.RESTORED, HoldCode.NUMBER_CHANGED, HoldCode.OPT_OUT_FLOOD, HoldCode.AWAITING_ACKS)


def hold(connection: sqlite3.Connection, session_id: SessionId, code: HoldCode, detail: str, at: float) -> list[Event]:
    """Hold a session's queue and return the event that tells of it; none when that, or worse, holds it already."""
    row = connection.execute("SELECT held_code FROM queue WHERE session_id = ?", (session_id,)).fetchone()
    if row is not None and row[0] in _STRENGTH[: _STRENGTH.index(code) + 1]:
        return []
    connection.execute(_HOLD, (session_id, code, text(detail)))
    waiting = connection.execute(_COUNT, (session_id,)).fetchone()[0]
    data = {"hold": code.value, "waiting": waiting}
    return [Event(type="queue.held", occurred_at=at, session_id=session_id, data=data)]


_HOLD = """
    INSERT INTO queue (session_id, held_code, held_detail) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET held_code = excluded.held_code, held_detail = excluded.held_detail"""
_COUNT = """
    SELECT ifnull(sum(message_count), 0) FROM message_tally WHERE session_id = ? AND status = 'queued'
        AND batch_id NOT IN (SELECT batch_id FROM batch WHERE state = 'staging')"""
