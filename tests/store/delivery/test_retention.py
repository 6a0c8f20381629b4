"""How much of the past is kept, and that it is forgotten a slice at a time."""

import sqlite3

import pytest

from openwa_manager.domain.delivery.delivery import DeliveryState
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import append, read_events, record
from openwa_manager.store.delivery.retention import SLICE, Retention, forget_dead, forget_settled
from tests.store.delivery.samples import DAY_S, MAIN, NOW, an_attempt, an_endpoint, an_event, states


@pytest.fixture(autouse=True)
def _endpoint(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint())


def forget(connection: sqlite3.Connection, kept_after: int = 0) -> int:
    """Forget until all was looked at; return how many writes that took."""
    behind: int | None = 0
    writes = 0
    while behind is not None:
        behind = forget_settled(connection, NOW, Retention(), behind, kept_after)
        writes += 1
    return writes


def left(connection: sqlite3.Connection) -> list[int]:
    return [stored.seq for stored in read_events(connection, limit=10 * SLICE).events]


def deliver_all(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE delivery SET state = 'delivered'")


def test_delivered_events_go_after_a_week_and_undelivered_ones_stay(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 8 * DAY_S), an_event(at=NOW - 8 * DAY_S), an_event(at=NOW)])
    record(connection, MAIN, an_attempt(2))
    record(connection, MAIN, an_attempt(3))

    forget(connection)

    assert left(connection) == [1, 3]


def test_events_behind_the_first_young_one_stay_as_the_clock_may_have_been_set_back(
    connection: sqlite3.Connection,
) -> None:
    append(connection, [an_event(at=NOW - days * DAY_S) for days in (8, 1, 8)])
    deliver_all(connection)

    forget(connection)

    assert left(connection) == [2, 3]


def test_of_too_many_events_the_oldest_delivered_ones_go(connection: sqlite3.Connection) -> None:
    append(connection, [an_event() for _ in range(5)])
    for seq in (1, 2, 3, 5):
        record(connection, MAIN, an_attempt(seq))

    forget(connection, kept_after=3)

    assert left(connection) == [4, 5]


def test_dead_letters_are_kept_for_a_month(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 40 * DAY_S), an_event(at=NOW - 40 * DAY_S)])
    record(connection, MAIN, an_attempt(1, DeliveryState.DEAD, at=NOW - 31 * DAY_S))
    record(connection, MAIN, an_attempt(2, DeliveryState.DEAD, at=NOW - 29 * DAY_S))

    assert forget_dead(connection, NOW, Retention()) == 1
    assert forget_dead(connection, NOW, Retention()) == 0
    forget(connection)

    assert left(connection) == [2]
    assert states(connection) == [(2, "dead")]


def test_pruning_an_empty_outbox_does_nothing(connection: sqlite3.Connection) -> None:
    assert forget(connection) == 1
    assert forget_dead(connection, NOW, Retention()) == 0


def test_a_write_removes_a_slice_at_most(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 8 * DAY_S) for _ in range(2 * SLICE + 1)])
    deliver_all(connection)

    behind = forget_settled(connection, NOW, Retention())

    assert behind == SLICE
    assert len(left(connection)) == SLICE + 1
    assert forget(connection) == 2
    assert left(connection) == []


def test_what_nobody_fetches_is_looked_at_once_only(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 8 * DAY_S) for _ in range(3 * SLICE)])
    connection.execute("UPDATE delivery SET state = 'delivered' WHERE event_seq > ?", (2 * SLICE,))

    assert forget(connection) == 4
    assert len(left(connection)) == 2 * SLICE


def test_dead_letters_go_a_slice_at_a_time(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 40 * DAY_S) for _ in range(SLICE + 1)])
    connection.execute("UPDATE delivery SET state = 'dead', settled_at = 0")

    assert [forget_dead(connection, NOW, Retention()) for _ in range(3)] == [SLICE, 1, 0]
