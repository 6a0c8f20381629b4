"""The events not yet delivered, and those that were: how they get in, wait in streams, and come out in order."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import chain, islice
from typing import NamedTuple

from openwa_manager.domain.delivery.delivery import DeliveryState, Lane, Tries
from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.delivery.event_filter import EVERY_EVENT, EventFilter
from openwa_manager.domain.delivery.events import HEARTBEAT, Event, StoredEvent
from openwa_manager.domain.delivery.streams import PendingStream
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import SLICE_MAX_BYTES, Column, Row, json_object, query, text, within
from openwa_manager.store.delivery.backlog import BACKLOG_LIMIT, BacklogLimit, drop_passing, read_backlog
from openwa_manager.store.delivery.endpoints import load_active_endpoints
from openwa_manager.store.delivery.enrichment import Hook, enrich, hooks_of
from openwa_manager.store.delivery.event_times import LOOKED_AT_MAX, note_stretches
from openwa_manager.store.delivery.inserting import insert
from openwa_manager.store.delivery.numbering import number
from openwa_manager.store.patterns import fits


@dataclass(frozen=True, slots=True, kw_only=True)
class NextDelivery:
    """The first undelivered event of a stream, and what was tried for it."""

    stored: StoredEvent
    tries: Tries = field(default_factory=Tries)


def append(
    connection: sqlite3.Connection,
    events: Sequence[Event],
    limit: BacklogLimit = BACKLOG_LIMIT,
    hooks: Mapping[str, Hook] | None = None,
) -> list[StoredEvent]:
    """Put events in the outbox, one delivery per active endpoint that asked for them; heartbeats are passed over.

    What is stored is what the `hooks` (None: those of the connection) make of the events, with the next numbers of
    their sessions. A new code makes the session's older codes pointless: their deliveries are dropped. At the limit
    what is of passing interest makes room.
    """
    return append_each(connection, [events], limit, hooks)[0]


def append_each(
    connection: sqlite3.Connection,
    told: Sequence[Sequence[Event]],
    limit: BacklogLimit = BACKLOG_LIMIT,
    hooks: Mapping[str, Hook] | None = None,
) -> list[list[StoredEvent]]:
    """Put the events that several have to tell in the outbox as `append` does; return those of each as stored."""
    asked = hooks_of(connection) if hooks is None else hooks
    kept = [
        [each for event in events if event.type != HEARTBEAT for each in enrich(connection, event, asked)]
        for events in told
    ]
    together = list(chain.from_iterable(kept))
    if together and read_backlog(connection).is_full(limit):
        drop_passing(connection)
    endpoints = load_active_endpoints(connection) if together else []
    stored = insert(connection, number(connection, together), endpoints)
    note_stretches(connection, [each.seq for each in stored])
    rest = iter(stored)
    return [list(islice(rest, len(events))) for events in kept]


class EventPage(NamedTuple):
    """Some events, oldest first; `is_full` tells that more may follow behind the seq `end`."""

    events: list[StoredEvent]
    is_full: bool
    end: int


def read_events(
    connection: sqlite3.Connection,
    after: int = 0,
    limit: int = 100,
    wanted: EventFilter = EVERY_EVENT,
    max_bytes: int = SLICE_MAX_BYTES,
) -> EventPage:
    """Return events later than seq `after` that are wanted.

    They end at `limit` events, or before the one whose data would make them larger than `max_bytes`; the first event
    is always among them, however large it is. They also end, however few they are, where enough was looked at.
    """
    until, condition, values = _stretch(connection, after, wanted)
    sql = f"SELECT * FROM event WHERE {condition} ORDER BY seq LIMIT :limit"  # noqa: S608 (our words)
    rows = query(connection, sql, {"limit": limit, **values})
    fitting, is_cut = within(rows, lambda row: len(row["data"]) + len(row["type"]), max_bytes)
    events = [stored_event(row) for row in fitting]
    if is_cut or len(events) == limit:
        return EventPage(events, is_full=True, end=events[-1].seq)
    return EventPage(events, is_full=_next_seq(connection, until) is not None, end=until)


def begins_large(connection: sqlite3.Connection, after: int, wanted: EventFilter = EVERY_EVENT) -> bool:
    """Tell whether the first event that `read_events` would return is larger than what is read in one go may be."""
    _, condition, values = _stretch(connection, after, wanted)
    sql = f"SELECT length(data) FROM event WHERE {condition} ORDER BY seq LIMIT 1"  # noqa: S608 (our words)
    row = connection.execute(sql, values).fetchone()
    return row is not None and int(row[0]) > SLICE_MAX_BYTES


class LookBack(NamedTuple):
    """A seq, and how many of the events that are looked for are not behind it; 0: all that there are, are."""

    seq: int
    missing_count: int


def look_back(
    connection: sqlite3.Connection, count: int, wanted: EventFilter = EVERY_EVENT, until: int | None = None
) -> LookBack:
    """Return the seq behind which the newest `count` of these events begin; those later than `until` do not count.

    Where some are missing, go on with their number and that seq as `until`: one call looks at `LOOKED_AT_MAX` events.
    """
    limit = _LAST if until is None else until
    (until,) = connection.execute("SELECT max(seq) FROM event WHERE seq <= ?", (limit,)).fetchone()
    if until is None:
        return LookBack(0, 0)
    after = max(0, until - LOOKED_AT_MAX)
    condition, values = _matching(wanted)
    sql = f"""
        SELECT seq FROM event WHERE seq > :after AND seq <= :until AND {condition}
        ORDER BY seq DESC LIMIT :count"""  # noqa: S608 (our words)
    found = connection.execute(sql, {"after": after, "until": until, "count": count, **values}).fetchall()
    if len(found) == count:
        return LookBack(int(found[-1][0]) - 1, 0)
    return LookBack(after, count - len(found) if after else 0)


#: Later than any event.
_LAST = 2**63 - 1


def _stretch(connection: sqlite3.Connection, after: int, wanted: EventFilter) -> tuple[int, str, Row]:
    """Return where what is looked at next ends, the condition of what is wanted in it, and the condition's values."""
    first = _next_seq(connection, after) or after  # the numbers may leap by millions
    until = _LAST if wanted == EVERY_EVENT else min(_LAST, first + LOOKED_AT_MAX - 1)
    condition, values = _matching(wanted)
    return until, f"seq > :after AND seq <= :until AND {condition}", {"after": after, "until": until, **values}


def _next_seq(connection: sqlite3.Connection, after: int) -> int | None:
    """Return the seq of the first event behind a place; None when there is none."""
    (seq,) = connection.execute("SELECT min(seq) FROM event WHERE seq > ?", (after,)).fetchone()
    return None if seq is None else int(seq)


def _matching(wanted: EventFilter) -> tuple[str, Row]:
    """Return the condition that wanted events meet, and its values."""
    conditions, values = ["true"], dict[str, Column]()
    if wanted.types:
        conditions.append(fits("event.type", wanted.types, "types", values))
    if wanted.left_out:
        conditions.append(f"NOT {fits('event.type', wanted.left_out, 'left_out', values)}")
    if wanted.session_id is not None:
        conditions.append("session_id = :session_id")
        values["session_id"] = wanted.session_id
    if not wanted.scope.is_unlimited:
        conditions.append(fits("event.session_id", wanted.scope.patterns, "scope", values))
    return " AND ".join(conditions), values


def count_undelivered(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return how many deliveries are pending, and how many are dead."""
    (pending,) = connection.execute("SELECT row_count FROM backlog").fetchone()
    (dead,) = connection.execute("SELECT count(*) FROM delivery WHERE state = 'dead'").fetchone()
    return pending, dead


def oldest_undelivered_at(connection: sqlite3.Connection) -> float | None:
    """Return when the oldest event happened that waits for an active endpoint (wall time); None when none waits.

    As a rule it is among the first deliveries of all, so those are looked at first. Behind many that are dead or wait
    for paused endpoints it looks at the first event of each stream, from one stream to the next: these are as many as
    endpoints times sessions, and a backlog of any length costs no more.
    """
    among_first = connection.execute(_AMONG_FIRST, (_FIRST_COUNT,)).fetchone()
    if among_first is not None:
        return _happened_at(connection, among_first[0])
    endpoints = connection.execute("SELECT endpoint_id FROM endpoint WHERE is_active").fetchall()
    seqs = [seq for (each,) in endpoints for lane in Lane for seq in _first_seqs(connection, each, lane)]
    return _happened_at(connection, min(seqs)) if seqs else None


def _happened_at(connection: sqlite3.Connection, seq: int) -> float:
    (at,) = connection.execute("SELECT occurred_at FROM event WHERE seq = ?", (seq,)).fetchone()
    return float(at)


def _first_seqs(connection: sqlite3.Connection, endpoint_id: str, lane: Lane) -> Iterator[int]:
    """Yield the seq of the first undelivered event of each stream to an endpoint."""
    of_daemon = connection.execute(_FIRST_OF_STREAM, (endpoint_id, lane, "")).fetchone()
    if of_daemon is not None:
        yield of_daemon[0]
    session_id = ""
    while found := connection.execute(_NEXT_STREAM, (endpoint_id, lane, session_id)).fetchone():
        session_id, seq = found
        yield seq


#: How many deliveries are looked at, oldest first, before each stream is.
_FIRST_COUNT = 2_000
_AMONG_FIRST = """
    SELECT event_seq FROM (SELECT event_seq, endpoint_id, state FROM delivery ORDER BY event_seq LIMIT ?)
    WHERE state = 'pending' AND endpoint_id IN (SELECT endpoint_id FROM endpoint WHERE is_active) LIMIT 1"""
_FIRST_OF_STREAM = """
    SELECT event_seq FROM delivery INDEXED BY delivery_pending
    WHERE state = 'pending' AND endpoint_id = ? AND lane = ? AND session_id = ? ORDER BY event_seq LIMIT 1"""
_NEXT_STREAM = """
    SELECT session_id, event_seq FROM delivery INDEXED BY delivery_pending
    WHERE state = 'pending' AND endpoint_id = ? AND lane = ? AND session_id > ?
    ORDER BY session_id, event_seq LIMIT 1"""


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the seq of the newest event ever stored; 0 when there was none."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return int(row[0]) if row else 0


def read_streams(connection: sqlite3.Connection, after: int | None = None) -> tuple[list[PendingStream], int]:
    """Return the streams with undelivered events, each with its first one.

    The second value is the newest seq; passed as `after` the next time, only what is newer is looked at.
    """
    newest = last_seq(connection)
    rows = connection.execute(_ALL_STREAMS) if after is None else connection.execute(_NEW_STREAMS, (after,))
    streams = [
        PendingStream(StreamKey(endpoint_id, Lane(lane), session_id), seq, due_at)
        for endpoint_id, lane, session_id, seq, due_at in rows
    ]
    return streams, newest


# The hints matter: at the start all pending deliveries are read, from an index that holds what is needed; later only
# the newest, from the end of the table (the plus keeps the index out of it). Left alone, SQLite always reads it all.
_ALL_STREAMS = """
    SELECT endpoint_id, lane, session_id, min(event_seq), next_at FROM delivery INDEXED BY delivery_pending
    WHERE state = 'pending' GROUP BY endpoint_id, lane, session_id"""
_NEW_STREAMS = """
    SELECT endpoint_id, lane, session_id, min(event_seq), next_at FROM delivery
    WHERE event_seq > ? AND +state = 'pending' GROUP BY endpoint_id, lane, session_id"""


def read_next(connection: sqlite3.Connection, key: StreamKey) -> NextDelivery | None:
    """Return the first undelivered event of a stream; None when there is none."""
    sql = """
        SELECT event.*, attempts, rejected_count, errored_count, first_tried_at FROM delivery
        JOIN event ON event.seq = event_seq
        WHERE endpoint_id = ? AND lane = ? AND delivery.session_id = ? AND state = 'pending'
        ORDER BY event_seq LIMIT 1"""
    row = query(connection, sql, key).fetchone()
    if row is None:
        return None
    tries = Tries(
        attempts=row["attempts"],
        rejected_count=row["rejected_count"],
        errored_count=row["errored_count"],
        first_at=row["first_tried_at"],
    )
    return NextDelivery(stored=stored_event(row), tries=tries)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """What is recorded of an attempt that ended `at`; `next_at` matters only while the delivery stays pending."""

    seq: int
    at: float
    state: DeliveryState
    tries: Tries
    status: int | None
    error: str | None = None
    next_at: float = 0.0


class Following(NamedTuple):
    """What comes next in a stream: when it is due (wall time; None: nothing is left), and the event if it is at hand.

    `stored` is known of a small event that was never tried.
    """

    due_at: float | None
    stored: StoredEvent | None = None


def record(connection: sqlite3.Connection, key: StreamKey, attempt: DeliveryAttempt) -> Following:
    """Record an attempt and return what comes next in its stream.

    A delivery that has been dropped or replaced meanwhile is left alone.
    """
    return record_all(connection, [(key, attempt)])[0]


def record_all(
    connection: sqlite3.Connection, attempts: Sequence[tuple[StreamKey, DeliveryAttempt]]
) -> list[Following]:
    """Record attempts of different streams as `record` does."""
    connection.executemany(_RECORD, [_result(key, attempt) for key, attempt in attempts])
    return [_following(connection, key) for key, _ in attempts]


#: How large an event may be that is read ahead of its post, with its row.
_AT_HAND_BYTES = 16 << 10


def _result(key: StreamKey, attempt: DeliveryAttempt) -> Row:
    return {
        "seq": attempt.seq,
        "endpoint_id": key.endpoint_id,
        "at": attempt.at,
        "state": attempt.state,
        "attempts": attempt.tries.attempts,
        "rejected_count": attempt.tries.rejected_count,
        "errored_count": attempt.tries.errored_count,
        "first_at": attempt.tries.first_at,
        "status": attempt.status,
        "error": None if attempt.error is None else text(attempt.error),
        "next_at": attempt.next_at,
    }


def _following(connection: sqlite3.Connection, key: StreamKey) -> Following:
    row = query(connection, _FOLLOWING, (_AT_HAND_BYTES, *key)).fetchone()
    if row is None:
        return Following(None)
    is_at_hand = row["data"] is not None and row["attempts"] == 0
    return Following(float(row["next_at"]), stored_event(row) if is_at_hand else None)


_RECORD = """
    UPDATE delivery SET state = :state, next_at = :next_at, attempts = :attempts, rejected_count = :rejected_count,
        errored_count = :errored_count, first_tried_at = :first_at, last_tried_at = :at, last_status = :status,
        last_error = :error, settled_at = iif(:state = 'pending', NULL, :at)
    WHERE event_seq = :seq AND endpoint_id = :endpoint_id AND state = 'pending'"""
_FOLLOWING = """
    SELECT next_at, attempts, event.seq, id, type, occurred_at, event.session_id, user_id, session_seq, launch,
        expires_at, iif(size_bytes <= ?, data, NULL) AS data
    FROM delivery JOIN event ON event.seq = event_seq
    WHERE endpoint_id = ? AND lane = ? AND delivery.session_id = ? AND state = 'pending'
    ORDER BY event_seq LIMIT 1"""


def drop(connection: sqlite3.Connection, key: StreamKey, seq: int) -> float | None:
    """Forget a delivery that is no longer worth making; return when the stream's next event is due."""
    connection.execute("DELETE FROM delivery WHERE event_seq = ? AND endpoint_id = ?", (seq, key.endpoint_id))
    return due_at(connection, key)


def due_at(connection: sqlite3.Connection, key: StreamKey) -> float | None:
    """Return when the stream's first undelivered event is due (wall time); None when the stream is empty."""
    sql = """
        SELECT next_at FROM delivery WHERE endpoint_id = ? AND lane = ? AND session_id = ? AND state = 'pending'
        ORDER BY event_seq LIMIT 1"""
    row = connection.execute(sql, key).fetchone()
    return float(row[0]) if row else None


def stored_event(row: sqlite3.Row) -> StoredEvent:
    """Return the event of a row of the table `event`."""
    event = Event(
        type=row["type"],
        occurred_at=row["occurred_at"],
        session_id=None if row["session_id"] is None else SessionId(row["session_id"]),
        user_id=row["user_id"],
        session_seq=row["session_seq"],
        launch=row["launch"],
        expires_at=row["expires_at"],
        data=json_object(row["data"]),
    )
    return StoredEvent(seq=row["seq"], id=row["id"], event=event)
