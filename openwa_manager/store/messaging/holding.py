"""Holds the queue of a session for a reason that a person should know."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import HoldCode
from openwa_manager.domain.messaging.restrictions import AccountRestricted, in_force, stops_all
from openwa_manager.domain.session.reasons import Restriction
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import text
from openwa_manager.store.messaging import queues
from openwa_manager.store.messaging.queues import AccountLimit

#: The holds that are kept, the strongest first: a weaker one does not take the place of a stronger one.
_STRENGTH: Final = (HoldCode.RESTORED, HoldCode.NUMBER_CHANGED, HoldCode.OPT_OUT_FLOOD, HoldCode.AWAITING_ACKS)


def hold(connection: sqlite3.Connection, session_id: SessionId, code: HoldCode, detail: str, at: float) -> list[Event]:
    """Hold a session's queue and return the event that tells of it; none when that, or worse, holds it already."""
    row = connection.execute("SELECT held_code FROM queue WHERE session_id = ?", (session_id,)).fetchone()
    if row is not None and row[0] in _STRENGTH[: _STRENGTH.index(code) + 1]:
        return []
    connection.execute(_HOLD, (session_id, code, text(detail)))
    return [held_event(connection, session_id, code, at)]


def held_event(connection: sqlite3.Connection, session_id: SessionId, code: HoldCode, at: float) -> Event:
    """Return the event that tells a person that a session's queue has stopped."""
    waiting = connection.execute(_COUNT, (session_id,)).fetchone()[0]
    data = {"hold": code.value, "waiting": waiting}
    return Event(type="queue.held", occurred_at=at, session_id=session_id, data=data)


_HOLD = """
    INSERT INTO queue (session_id, held_code, held_detail) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET held_code = excluded.held_code, held_detail = excluded.held_detail"""
_COUNT = """
    SELECT ifnull(sum(message_count), 0) FROM message_tally WHERE session_id = ? AND status = 'queued'
        AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')"""


def restrict(connection: sqlite3.Connection, session_id: SessionId, found: AccountRestricted, at: float) -> list[Event]:
    """Note what WhatsApp took from the account; return the event that tells of it if nothing can be sent any more."""
    before = queues.read_queue(connection, session_id).limit
    queues.note_limit(connection, session_id, AccountLimit(kind=found.kind, until=found.until), at)
    is_news = before is None or not stops_all(before.kind) or (before.until is not None and before.until <= at)
    return [held_event(connection, session_id, HoldCode.RESTRICTED, at)] if found.holds_all and is_news else []


def tell_restriction(connection: sqlite3.Connection, event: Event) -> Sequence[Event]:
    """Hold the messages of an account that WhatsApp has restricted, in the transaction that tells of it.

    That a restriction was lifted lets them go on, and is no event of its own.
    """
    session_id, kind = event.session_id, event.data.get("reason_detail")
    if session_id is None or "is_active" not in event.data or not isinstance(kind, str):
        return (event,)
    if not event.data["is_active"]:
        queues.note_limit(connection, session_id, None, event.occurred_at)
        return ()
    expires_at = event.data.get("expires_at")
    restriction = Restriction(kind=kind, expires_at=expires_at if isinstance(expires_at, str) else None)
    found = in_force(restriction, event.occurred_at)
    told = replace(event, data={name: value for name, value in event.data.items() if name not in _FOR_US})
    return (told, *(restrict(connection, session_id, found, event.occurred_at) if found else ()))


#: What an event says for `tell_restriction` only.
_FOR_US = ("is_active", "expires_at")
