"""The oldest event that waits: found at every scrape, so it must not cost more with every endpoint and session."""

import sqlite3

import pytest

from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import append, oldest_undelivered_at, record
from tests.store.delivery.samples import MAIN, NOW, an_attempt, an_endpoint, an_event


@pytest.fixture(autouse=True)
def endpoint(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint())


def test_the_oldest_event_that_waits_is_found_among_many_streams(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint("ep_2"))
    save_endpoint(connection, an_endpoint("ep_3", is_active=False))
    append(connection, [an_event(session=None, at=NOW)])
    later = [an_event(session=f"s{number}", at=NOW + 1 + number) for number in range(5)]
    append(connection, later)
    for endpoint_id in ("ep_1", "ep_2"):
        record(connection, MAIN._replace(endpoint_id=EndpointId(endpoint_id), session_id=""), an_attempt(1))

    assert oldest_undelivered_at(connection) == NOW + 1


def test_nothing_waits_where_all_is_delivered_or_for_a_paused_endpoint(connection: sqlite3.Connection) -> None:
    append(connection, [an_event()])
    save_endpoint(connection, an_endpoint(is_active=False))

    assert oldest_undelivered_at(connection) is None


def steps_to_find_oldest(connection: sqlite3.Connection) -> int:
    """Return how many steps SQLite's machine takes."""
    taken = 0

    def note() -> None:
        nonlocal taken
        taken += 1

    connection.set_progress_handler(note, 1)
    oldest_undelivered_at(connection)
    connection.set_progress_handler(None, 1)
    return taken


def test_finding_the_oldest_event_does_not_cost_endpoints_times_sessions(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(session=f"s{number}") for number in range(5)])
    few = steps_to_find_oldest(connection)
    for number in range(2, 12):
        save_endpoint(connection, an_endpoint(f"ep_{number}"))
    append(connection, [an_event(session=f"s{number}") for number in range(100)])

    assert steps_to_find_oldest(connection) <= few + 100  # the endpoints themselves are looked at


def test_the_oldest_event_is_found_behind_many_that_wait_for_a_paused_endpoint(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(session=f"s{number % 7}", at=NOW) for number in range(2_100)])
    save_endpoint(connection, an_endpoint(is_active=False))
    save_endpoint(connection, an_endpoint("ep_2"))
    append(connection, [an_event(session="s1", at=NOW + 2), an_event(session="s2", at=NOW + 3)])

    assert oldest_undelivered_at(connection) == NOW + 2


def test_finding_the_oldest_event_costs_the_same_however_many_wait_behind_it(connection: sqlite3.Connection) -> None:
    steps: list[int] = []
    for _ in range(2):
        append(connection, [an_event(session=f"s{number % 10}", at=NOW + number) for number in range(500)])
        steps.append(0)

        def note() -> None:
            steps[-1] += 1

        connection.set_progress_handler(note, 1)  # called at each step of SQLite's machine
        oldest_undelivered_at(connection)
        connection.set_progress_handler(None, 1)

    assert steps[0] > 0
    assert steps[1] <= steps[0] + 10
