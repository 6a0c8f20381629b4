"""Inserts events and their deliveries, many with one statement: each statement waits for the interpreter's lock."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from openwa_manager.domain.delivery.delivery import Endpoint, Lane
from openwa_manager.domain.delivery.events import Event, EventClass, StoredEvent
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import Column, json_object, text, to_json
from openwa_manager.store.ids import new_id

#: How many events, or deliveries, one statement inserts at most.
_TOGETHER = 16
_INSERT_EVENT = """
    INSERT INTO event (id, session_id, user_id, session_seq, launch, type, class, occurred_at, expires_at, data)
    VALUES """
_EVENT_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_DELIVERY = """
    INSERT INTO delivery (event_seq, endpoint_id, lane, session_id, class, size_bytes, state)
    VALUES """
_DELIVERY_VALUES = "(?, ?, ?, ?, ?, ?, 'pending')"


def insert(connection: sqlite3.Connection, events: Sequence[Event], endpoints: Sequence[Endpoint]) -> list[StoredEvent]:
    """Insert numbered events, and a delivery of each for every endpoint that wants it; return them as stored.

    A new code makes the session's older codes pointless: their deliveries are dropped.
    """
    stored: list[StoredEvent] = []
    for begin in range(0, len(events), _TOGETHER):
        stored += _insert_some(connection, events[begin : begin + _TOGETHER], endpoints)
    return stored


def _insert_some(
    connection: sqlite3.Connection, events: Sequence[Event], endpoints: Sequence[Endpoint]
) -> list[StoredEvent]:
    """Insert some events and what is to be delivered of them; their seqs are consecutive, for nobody else writes."""
    rows = [_event_row(event) for event in events]
    sql = _INSERT_EVENT + ", ".join([_EVENT_VALUES] * len(rows))
    last = connection.execute(sql, list(chain.from_iterable(rows))).lastrowid
    if last is None:
        raise sqlite3.InternalError("an inserted event has no rowid")
    stored = [
        _as_read(last - len(rows) + place, row, event, endpoints)
        for place, (row, event) in enumerate(zip(rows, events, strict=True), 1)
    ]
    deliveries = [_delivery_rows(each, len(row[-1]) + _ROW_BYTES) for each, row in zip(stored, rows, strict=True)]
    if any(event.event_class is EventClass.QR for event in events):
        for each, those in zip(stored, deliveries, strict=True):  # what supersedes comes behind what is superseded
            if each.event.event_class is EventClass.QR:
                _supersede_codes(connection, each.event.session_id)
            _insert_deliveries(connection, those)
    else:
        _insert_deliveries(connection, list(chain.from_iterable(deliveries)))
    return stored


def _event_row(event: Event) -> tuple[*tuple[Column, ...], str]:
    return (
        *(new_id("evt", event.occurred_at), event.session_id, event.user_id, event.session_seq, event.launch),
        *(text(event.type), event.event_class, event.occurred_at, event.expires_at),
        to_json(event.data),
    )


def _as_read(
    seq: int, row: tuple[*tuple[Column, ...], str], event: Event, endpoints: Sequence[Endpoint]
) -> StoredEvent:
    """Return the event as a later reader finds it, to the letter."""
    wanting = tuple(endpoint.endpoint_id for endpoint in endpoints if endpoint.wants(event))
    as_read = replace(event, type=text(event.type), data=json_object(row[-1]))
    return StoredEvent(seq=seq, id=str(row[0]), event=as_read, endpoint_ids=wanting)


_Delivery = tuple[int, str, str, str, str, int]


def _delivery_rows(stored: StoredEvent, size_bytes: int) -> list[_Delivery]:
    event = stored.event
    lane = Lane.QR if event.event_class is EventClass.QR else Lane.MAIN
    about = (lane, event.session_id or "", event.event_class, size_bytes)
    return [(stored.seq, endpoint_id, *about) for endpoint_id in stored.endpoint_ids or ()]


def _insert_deliveries(connection: sqlite3.Connection, rows: Sequence[_Delivery]) -> None:
    for begin in range(0, len(rows), _TOGETHER):
        some = rows[begin : begin + _TOGETHER]
        sql = _INSERT_DELIVERY + ", ".join([_DELIVERY_VALUES] * len(some))
        connection.execute(sql, list(chain.from_iterable(some)))


#: What an event takes on disk beside its data, roughly.
_ROW_BYTES = 300


def _supersede_codes(connection: sqlite3.Connection, session_id: SessionId | None) -> None:
    connection.execute(
        """
        DELETE FROM delivery WHERE lane = 'qr' AND state = 'pending' AND session_id = ?
            AND endpoint_id IN (SELECT endpoint_id FROM endpoint)""",
        (session_id or "",),
    )
