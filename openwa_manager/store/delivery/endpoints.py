"""The endpoints on disk: where events are posted, which ones, and signed with which secret."""

import sqlite3
from dataclasses import field, replace

from openwa_manager.domain.delivery.delivery import DEFAULT_ENDPOINT, EVERY_TYPE, Endpoint
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import json_texts, query, text, to_json
from openwa_manager.store.ids import new_id

_SAVE = """
    INSERT INTO endpoint VALUES (:endpoint_id, :url, :secret, :previous_secret, :rotated_at, :events, :sessions,
        :is_active, :disabled_reason, :created_at, :updated_at)
    ON CONFLICT (endpoint_id) DO UPDATE SET url = excluded.url, secret = excluded.secret,
        previous_secret = excluded.previous_secret, rotated_at = excluded.rotated_at, events = excluded.events,
        sessions = excluded.sessions, is_active = excluded.is_active, disabled_reason = excluded.disabled_reason,
        updated_at = excluded.updated_at"""


def new_endpoint_id(at: float) -> EndpointId:
    """Return an id for an endpoint made at wall time `at`."""
    return EndpointId(new_id("ep", at))


def load_endpoints(connection: sqlite3.Connection) -> list[Endpoint]:
    """Return all endpoints, oldest first."""
    return [_endpoint_of(row) for row in query(connection, "SELECT * FROM endpoint ORDER BY created_at, endpoint_id")]


def load_active_endpoints(connection: sqlite3.Connection) -> list[Endpoint]:
    """Return the endpoints that get what happens."""
    return [_endpoint_of(row) for row in query(connection, "SELECT * FROM endpoint WHERE is_active")]


def load_endpoint(connection: sqlite3.Connection, endpoint_id: EndpointId) -> Endpoint | None:
    """Return one endpoint; None when there is none of this id."""
    row = query(connection, "SELECT * FROM endpoint WHERE endpoint_id = ?", (endpoint_id,)).fetchone()
    return None if row is None else _endpoint_of(row)


def save_endpoint(connection: sqlite3.Connection, endpoint: Endpoint) -> None:
    """Record an endpoint, new or changed."""
    row = {
        "endpoint_id": endpoint.endpoint_id,
        "url": text(endpoint.url),
        "secret": endpoint.secret,
        "previous_secret": endpoint.previous_secret,
        "rotated_at": endpoint.rotated_at,
        "events": to_json(endpoint.events),
        "sessions": to_json(endpoint.sessions),
        "is_active": endpoint.is_active,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }
    connection.execute(_SAVE, row)


#: How many deliveries one call forgets at most, so that no write waits long behind it.
_CHUNK = 2_000


def forget_deliveries(connection: sqlite3.Connection, endpoint_id: EndpointId, after: int = 0) -> int | None:
    """Forget some of an endpoint's deliveries, oldest first; return the seq to go on behind, None when all are gone."""
    pick = "SELECT event_seq FROM delivery WHERE endpoint_id = ? AND event_seq > ? ORDER BY event_seq LIMIT ?"
    seqs = [seq for (seq,) in connection.execute(pick, (endpoint_id, after, _CHUNK))]
    if not seqs:
        return None
    drop = "DELETE FROM delivery WHERE endpoint_id = ? AND event_seq BETWEEN ? AND ?"
    connection.execute(drop, (endpoint_id, seqs[0], seqs[-1]))
    return int(seqs[-1])


def drop_unwanted(connection: sqlite3.Connection, endpoint: Endpoint, after: int = 0) -> int | None:
    """Drop some of an endpoint's undelivered events that it does not ask for, oldest first; return as above.

    They were stored when it asked for more, and are not for whoever may change it now.
    """
    (first,) = connection.execute("SELECT min(event_seq) FROM delivery WHERE event_seq > ?", (after,)).fetchone()
    if first is None:
        return None
    last = int(first) + _CHUNK - 1
    # By the table itself, which is in this order; the `+` keeps SQLite from the index of what waits, which is not.
    pick = """SELECT event.seq, event.type, event.session_id FROM delivery JOIN event ON event.seq = event_seq
        WHERE event_seq BETWEEN ? AND ? AND endpoint_id = ? AND +state = 'pending'"""
    rows = connection.execute(pick, (first, last, endpoint.endpoint_id)).fetchall()
    unwanted = [(endpoint.endpoint_id, row[0]) for row in rows if not endpoint.asks_for(row[1], row[2])]
    connection.executemany("DELETE FROM delivery WHERE endpoint_id = ? AND event_seq = ?", unwanted)
    return last


def drop_all_unwanted(connection: sqlite3.Connection, endpoint: Endpoint, after: int = 0) -> None:
    """Drop at once what has come behind `after` and is not asked for: for little, or when nobody else waits."""
    while (seen := drop_unwanted(connection, endpoint, after)) is not None:
        after = seen


def remove_endpoint(connection: sqlite3.Connection, endpoint_id: EndpointId) -> bool:
    """Forget an endpoint and all its deliveries; False when there is none of this id."""
    return connection.execute("DELETE FROM endpoint WHERE endpoint_id = ?", (endpoint_id,)).rowcount > 0


def disable_endpoint(connection: sqlite3.Connection, endpoint_id: EndpointId, reason: str, at: float) -> None:
    """Send an endpoint nothing until a person resumes it; what is undelivered waits."""
    connection.execute(
        "UPDATE endpoint SET is_active = FALSE, disabled_reason = ?, updated_at = ? WHERE endpoint_id = ?",
        (reason, at, endpoint_id),
    )


def rotate_secret(connection: sqlite3.Connection, endpoint: Endpoint, secret: str, at: float) -> Endpoint:
    """Give an endpoint a new secret, which signs beside the old one for a day."""
    rotated = replace(endpoint, secret=secret, previous_secret=endpoint.secret, rotated_at=at, updated_at=at)
    save_endpoint(connection, rotated)
    return rotated


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultEndpoint:
    """What the settings say of their endpoint; None: nothing.

    `secret` None lets it keep its own, `events` None lets it ask for what it did; a new one asks for everything.
    """

    url: str | None
    secret: str | None = field(default=None, repr=False)
    events: tuple[str, ...] | None = None


def configure_default(
    connection: sqlite3.Connection, settings: DefaultEndpoint, fallback_secret: str, at: float
) -> None:
    """Make the settings' endpoint what the settings say; a new one without a secret gets `fallback_secret`.

    What was switched off stays off, except that a new URL is a new beginning. A changed secret signs alone: the
    settings are changed on both sides at once. Without a URL the endpoint is paused, and what is undelivered waits.
    Where the settings ask for other events, what waits and is not among them is dropped.
    """
    present, url = load_endpoint(connection, DEFAULT_ENDPOINT), settings.url
    if url is None:
        if present is not None and present.is_active:
            disable_endpoint(connection, DEFAULT_ENDPOINT, "not_in_settings", at)
        return
    if present is None:
        secret, events = settings.secret or fallback_secret, settings.events or EVERY_TYPE
        first = Endpoint(
            endpoint_id=DEFAULT_ENDPOINT, url=url, secret=secret, events=events, created_at=at, updated_at=at
        )
        save_endpoint(connection, first)
        return
    changed = replace(present, url=url, events=settings.events or present.events)
    if settings.secret is not None and present.secret != settings.secret:
        changed = replace(changed, secret=settings.secret, previous_secret=None, rotated_at=None)
    if present.url != url or present.disabled_reason == "not_in_settings":
        changed = replace(changed, is_active=True, disabled_reason=None)
    if changed.events != present.events:
        drop_all_unwanted(connection, changed)
    if changed != present:
        save_endpoint(connection, replace(changed, updated_at=at))


def _endpoint_of(row: sqlite3.Row) -> Endpoint:
    return Endpoint(
        endpoint_id=EndpointId(row["endpoint_id"]),
        url=row["url"],
        secret=row["secret"],
        previous_secret=row["previous_secret"],
        rotated_at=row["rotated_at"],
        events=json_texts(row["events"]),
        sessions=json_texts(row["sessions"]),
        is_active=bool(row["is_active"]),
        disabled_reason=row["disabled_reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
