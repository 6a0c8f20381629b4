"""The deliveries as people see them: what became of each, and sending some once more."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.delivery.delivery import DeliveryState
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import Column, Row, query, to_json, within
from openwa_manager.store.patterns import fits


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
    """Which deliveries are meant: all that fit every given field. `ids` are event ids, times are when it happened.

    Those of events of no session are meant only where the scope is unlimited.
    """

    scope: SessionScope = EVERY_SESSION
    ids: Sequence[str] = ()
    session_id: SessionId | None = None
    endpoint_id: EndpointId | None = None
    since: float | None = None
    until: float | None = None
    state: DeliveryState | None = None

    def where(self) -> tuple[str, Row]:
        """Return the condition and its values."""
        conditions = {
            "event.id IN (SELECT value FROM json_each(:ids))": bool(self.ids),
            "event.session_id = :session_id": self.session_id is not None,
            "delivery.endpoint_id = :endpoint_id": self.endpoint_id is not None,
            "event.occurred_at >= :since": self.since is not None,
            "event.occurred_at < :until": self.until is not None,
            "delivery.state = 'dead'": self.state
            is DeliveryState.DEAD,  # as a literal it may use the index of the dead
            "delivery.state = :state": self.state not in (None, DeliveryState.DEAD),
        }
        values: dict[str, Column] = {
            "ids": to_json(list(self.ids)),
            "session_id": self.session_id,
            "endpoint_id": self.endpoint_id,
            "since": self.since,
            "until": self.until,
            "state": self.state,
        }
        if not self.scope.is_unlimited:
            conditions[fits("event.session_id", self.scope.patterns, "scope", values)] = True
        return " AND ".join(["TRUE", *(condition for condition, is_asked in conditions.items() if is_asked)]), values


class Place(NamedTuple):
    """Where a delivery stands among all of them: the newest event first, its endpoints by their id."""

    seq: int
    endpoint_id: str


#: Before all deliveries.
FIRST_PLACE = Place(2**62, "")


def list_deliveries(
    connection: sqlite3.Connection, selection: Selection, behind: Place = FIRST_PLACE, limit: int = 100
) -> list[Delivery]:
    """Return up to `limit` deliveries, newest first, and fewer where they are large; none when there are no others.

    `behind` is the place of the last one of those before.
    """
    where, values = selection.where()
    sql = f"""
        SELECT delivery.*, event.id, event.type, event.occurred_at, event.session_id AS of_session
        FROM delivery JOIN event ON event.seq = delivery.event_seq
        WHERE {where} AND event.seq <= :seq AND (event.seq < :seq OR delivery.endpoint_id > :behind_endpoint)
        ORDER BY event.seq DESC, delivery.endpoint_id LIMIT :limit"""  # noqa: S608 (our own words)
    bound = {**values, "seq": behind.seq, "behind_endpoint": behind.endpoint_id, "limit": limit}
    fitting, _ = within(query(connection, sql, bound), lambda row: len(row["type"]) + len(row["last_error"] or ""))
    return [_delivery_of(row) for row in fitting]


def find_last_tried(connection: sqlite3.Connection, endpoint_id: EndpointId) -> Delivery | None:
    """Return what was tried last of what waits for an endpoint; None when nothing was. It reads all that waits."""
    sql = """
        SELECT delivery.*, event.id, event.type, event.occurred_at, event.session_id AS of_session
        FROM delivery JOIN event ON event.seq = delivery.event_seq
        WHERE delivery.endpoint_id = :endpoint_id AND delivery.state = 'pending' AND delivery.last_tried_at IS NOT NULL
        ORDER BY delivery.last_tried_at DESC LIMIT 1"""
    rows = query(connection, sql, {"endpoint_id": endpoint_id})
    return next((_delivery_of(row) for row in rows), None)


#: What may be sent again: codes have expired.
_REPLAYABLE = "FROM event JOIN delivery ON event.seq = delivery.event_seq WHERE delivery.lane = 'main'"


def count_replayable(connection: sqlite3.Connection, selection: Selection) -> int:
    """Return how many deliveries `replay` would send again."""
    where, values = selection.where()
    return int(connection.execute(f"SELECT count(*) {_REPLAYABLE} AND {where}", values).fetchone()[0])


class Replayed(NamedTuple):
    """What a part of a replay did: how many deliveries, and the seq to go on behind; None when all is done."""

    delivery_count: int
    last_seq: int | None


#: How many events one call replays at most, so that no write waits long behind it.
_CHUNK = 1_000


def replay(connection: sqlite3.Connection, selection: Selection, after: int = 0) -> Replayed:
    """Make some of the selected deliveries pending again, with all their tries ahead of them, oldest first.

    The dispatcher must read anew once all is done.
    """
    where, values = selection.where()
    bound = {**values, "after": after, "chunk": _CHUNK}
    pick = f"SELECT DISTINCT event.seq {_REPLAYABLE} AND {where} AND event.seq > :after ORDER BY event.seq LIMIT :chunk"
    seqs: list[int] = [row[0] for row in connection.execute(pick, bound)]
    if not seqs:
        return Replayed(0, None)
    sql = f"""
        UPDATE delivery SET state = 'pending', next_at = 0, attempts = 0, rejected_count = 0, errored_count = 0,
            first_tried_at = NULL, settled_at = NULL
        FROM event WHERE event.seq = delivery.event_seq AND delivery.lane = 'main' AND {where}
            AND event.seq > :after AND event.seq <= :last"""  # noqa: S608 (our own words)
    count = connection.execute(sql, {**bound, "last": seqs[-1]}).rowcount
    return Replayed(count, seqs[-1] if len(seqs) == _CHUNK else None)


def make_due(connection: sqlite3.Connection, endpoint_id: EndpointId) -> None:
    """Make everything that waits for a retry to this endpoint due at once."""
    sql = "UPDATE delivery SET next_at = 0 WHERE endpoint_id = ? AND state = 'pending' AND next_at > 0"
    connection.execute(sql, (endpoint_id,))


def count_pending(connection: sqlite3.Connection) -> dict[EndpointId, int]:
    """Return how many deliveries wait for each endpoint; those with none are absent."""
    sql = "SELECT endpoint_id, count(*) FROM delivery WHERE state = 'pending' GROUP BY endpoint_id"
    return {EndpointId(endpoint_id): count for endpoint_id, count in connection.execute(sql)}


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
        next_at=(row["next_at"] or None) if row["state"] == DeliveryState.PENDING else None,
        settled_at=row["settled_at"],
    )
