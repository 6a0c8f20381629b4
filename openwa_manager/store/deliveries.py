"""The deliveries as people see them: what became of each, and sending some once more."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from openwa_manager.domain.delivery import DeliveryState, EndpointId
from openwa_manager.domain.session import SessionId
from openwa_manager.store.columns import Row, query, to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint.

    `seq` is the event's place among all events; `next_at` is None unless a retry is planned, `settled_at` None while
    it is pending.
    """

    seq: int
    event_id: str
    event_type: str
    session_id: SessionId | None
    endpoint_id: EndpointId
    state: DeliveryState
    attempts: int
    occurred_at: float
    last_tried_at: float | None
    last_status: int | None
    last_error: str | None
    next_at: float | None
    settled_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries are meant: all that fit every given field. `ids` are event ids, times are when it happened."""

    ids: Sequence[str] = ()
    session_id: SessionId | None = None
    since: float | None = None
    until: float | None = None
    state: DeliveryState | None = None

    def where(self) -> tuple[str, Row]:
        """Return the condition and its values."""
        conditions = {
            "event.id IN (SELECT value FROM json_each(:ids))": bool(self.ids),
            "event.session_id = :session_id": self.session_id is not None,
            "event.occurred_at >= :since": self.since is not None,
            "event.occurred_at < :until": self.until is not None,
            "delivery.state = :state": self.state is not None,
        }
        values: Row = {
            "ids": to_json(list(self.ids)),
            "session_id": self.session_id,
            "since": self.since,
            "until": self.until,
            "state": self.state,
        }
        return " AND ".join(["TRUE", *(condition for condition, is_asked in conditions.items() if is_asked)]), values


def list_deliveries(
    connection: sqlite3.Connection, selection: Selection, before: int | None = None, limit: int = 100
) -> list[Delivery]:
    """Return up to `limit` deliveries, newest first; `before` is the seq of the last one of the page before."""
    where, values = selection.where()
    sql = f"""
        SELECT delivery.*, event.id, event.type, event.occurred_at, event.session_id AS of_session
        FROM delivery JOIN event ON event.seq = delivery.event_seq
        WHERE {where} AND delivery.event_seq < :before
        ORDER BY delivery.event_seq DESC, delivery.endpoint_id LIMIT :limit"""  # noqa: S608 (our own words)
    bound = {**values, "before": 2**62 if before is None else before, "limit": limit}
    return [_delivery_of(row) for row in query(connection, sql, bound)]


def replay(connection: sqlite3.Connection, selection: Selection) -> int:
    """Make the selected deliveries pending again, with all their tries ahead of them; return how many there are.

    Codes are left out: they have expired. The dispatcher must be told to reload.
    """
    where, values = selection.where()
    sql = f"""
        UPDATE delivery SET state = 'pending', next_at = 0, attempts = 0, rejected_count = 0, errored_count = 0,
            first_tried_at = NULL, settled_at = NULL
        FROM event WHERE event.seq = delivery.event_seq AND delivery.lane = 'main' AND {where}"""  # noqa: S608
    return connection.execute(sql, values).rowcount


def _delivery_of(row: sqlite3.Row) -> Delivery:
    return Delivery(
        seq=row["event_seq"],
        event_id=row["id"],
        event_type=row["type"],
        session_id=row["of_session"],
        endpoint_id=EndpointId(row["endpoint_id"]),
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        occurred_at=row["occurred_at"],
        last_tried_at=row["last_tried_at"],
        last_status=row["last_status"],
        last_error=row["last_error"],
        next_at=row["next_at"] or None,
        settled_at=row["settled_at"],
    )
