import sqlite3
from dataclasses import replace

import pytest

from openwa_manager.domain.delivery.delivery import DeliveryState, Tries
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.backlog import read_backlog
from openwa_manager.store.delivery.deliveries import Place, Selection, find_last_tried, list_deliveries, replay
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import (
    append,
    read_next,
    record,
)
from tests.store.delivery.samples import MAIN, NOW, QR, an_attempt, an_endpoint, an_event, states


@pytest.fixture(autouse=True)
def endpoint(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint())


def test_deliveries_are_listed_newest_first_in_pages(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW + number) for number in range(5)])
    record(connection, MAIN, an_attempt(1))

    first_page = list_deliveries(connection, Selection(), limit=2)
    second_page = list_deliveries(connection, Selection(), behind=Place(first_page[-1].seq, "ep_1"), limit=2)

    assert [delivery.seq for delivery in (*first_page, *second_page)] == [5, 4, 3, 2]
    assert first_page[0].next_at is None
    (delivered,) = list_deliveries(connection, Selection(state=DeliveryState.DELIVERED))
    assert (delivered.seq, delivered.settled_at, delivered.last_status, delivered.attempts) == (1, NOW, 200, 1)


def test_what_was_tried_last_is_found_behind_any_backlog(connection: sqlite3.Connection) -> None:
    assert find_last_tried(connection, EndpointId("ep_1")) is None
    append(connection, [an_event(at=NOW + number) for number in range(300)])
    assert find_last_tried(connection, EndpointId("ep_1")) is None

    for seq, at in ((1, NOW + 400), (2, NOW + 500)):
        record(connection, MAIN, replace(an_attempt(seq, DeliveryState.PENDING, at), status=503, next_at=at + 60))

    tried = find_last_tried(connection, EndpointId("ep_1"))
    assert tried is not None
    assert (tried.seq, tried.last_status) == (2, 503)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(session_id=SessionId("a")), {1, 3}),
        (Selection(since=NOW + 1, until=NOW + 3), {2, 3}),
        (Selection(state=DeliveryState.DEAD), {1, 2}),
        (Selection(session_id=SessionId("b"), state=DeliveryState.DEAD), {2}),
        (Selection(), {1, 2, 3, 4}),
    ],
)
def test_what_is_selected_is_sent_again_from_the_first_try(
    connection: sqlite3.Connection, selection: Selection, expected: set[int]
) -> None:
    append(connection, [an_event(session=session, at=NOW + at) for at, session in enumerate("abab")])
    ends = (DeliveryState.DEAD, DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.DELIVERED)
    for seq, (session, state) in enumerate(zip("abab", ends, strict=True), 1):
        record(connection, MAIN._replace(session_id=session), an_attempt(seq, state))

    count, _ = replay(connection, selection)

    assert count == len(expected)
    assert {seq for seq, state in states(connection) if state == "pending"} == expected
    assert read_backlog(connection).row_count == len(expected)


def test_events_are_replayed_by_their_ids(connection: sqlite3.Connection) -> None:
    stored = append(connection, [an_event(), an_event()])
    for one in stored:
        record(connection, MAIN, an_attempt(one.seq))

    assert replay(connection, Selection(ids=[stored[1].id, "evt_unknown"])) == (1, None)

    first = read_next(connection, MAIN)
    assert first is not None
    assert (first.stored, first.tries) == (stored[1], Tries())


def test_codes_are_never_replayed(connection: sqlite3.Connection) -> None:
    append(connection, [an_event("session.qr")])
    record(connection, QR, an_attempt(1))

    assert replay(connection, Selection()) == (0, None)
