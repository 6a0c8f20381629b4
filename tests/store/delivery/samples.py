"""Endpoints, events and attempts to fill an outbox with."""

import sqlite3

from openwa_manager.domain.delivery.delivery import DeliveryState, Endpoint, Lane, Tries
from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.outbox import (
    DeliveryAttempt,
)

NOW = 1_800_000_000.0
DAY_S = 86_400.0
MAIN = StreamKey(EndpointId("ep_1"), Lane.MAIN, "a")
QR = StreamKey(EndpointId("ep_1"), Lane.QR, "a")


def an_endpoint(name: str = "ep_1", *, is_active: bool = True, sessions: tuple[str, ...] = ("*",)) -> Endpoint:
    return Endpoint(
        endpoint_id=EndpointId(name),
        url="http://x",
        secret="s",
        sessions=sessions,
        is_active=is_active,
        created_at=0.0,
        updated_at=0.0,
    )


def an_event(event_type: str = "session.status", session: str | None = "a", at: float = NOW) -> Event:
    return Event(type=event_type, occurred_at=at, session_id=SessionId(session) if session else None)


def an_attempt(seq: int, state: DeliveryState = DeliveryState.DELIVERED, at: float = NOW) -> DeliveryAttempt:
    return DeliveryAttempt(seq=seq, at=at, state=state, tries=Tries(attempts=1, first_at=at), status=200)


def states(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT event_seq, state FROM delivery ORDER BY event_seq, endpoint_id").fetchall()
