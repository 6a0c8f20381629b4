import sqlite3
from dataclasses import replace

from openwa_manager.store.delivery.event_times import LOOKED_AT_MAX, STRETCH, look_ahead
from openwa_manager.store.delivery.outbox import append
from openwa_manager.store.delivery.retention import Retention, forget_settled
from tests.store.delivery.samples import an_event


def test_what_happened_since_a_time_begins_behind_a_seq(connection: sqlite3.Connection) -> None:
    append(connection, [replace(an_event(), occurred_at=float(at)) for at in (10, 20, 15, 30)])

    assert look_ahead(connection, 0.0) == (0, True)
    assert look_ahead(connection, 15.0) == (1, True)
    assert look_ahead(connection, 30.0) == (3, True)


def test_so_many_events_are_looked_at_in_one_go(connection: sqlite3.Connection) -> None:
    _add_unnoted(connection, LOOKED_AT_MAX + 5)

    first = look_ahead(connection, LOOKED_AT_MAX + 3)
    second = look_ahead(connection, LOOKED_AT_MAX + 3, first.seq)
    past = look_ahead(connection, LOOKED_AT_MAX + 9, LOOKED_AT_MAX)

    assert first == (LOOKED_AT_MAX, False)
    assert second == (LOOKED_AT_MAX + 2, True)
    assert look_ahead(connection, LOOKED_AT_MAX + 9, past.seq) == (past.seq, True)


def test_many_events_cost_no_more_looks_than_few_wherever_the_clock_went(connection: sqlite3.Connection) -> None:
    """The clock is set back by 40,000 s behind the 30,000th event."""
    times = [float(at if at < 30_000 else at - 40_000) for at in range(60_000)]
    for begin in range(0, len(times), STRETCH):
        append(connection, [replace(an_event(), occurred_at=at) for at in times[begin : begin + STRETCH]])

    for since in (0.0, 1.0, 12_345.0, 19_999.0, 29_999.0):
        rows = _rows_looked_at(connection, since)

        assert look_ahead(connection, since) == (int(since), True)
        assert rows < 3 * STRETCH
    assert look_ahead(connection, 30_000.0).is_found
    assert look_ahead(connection, -10_000.0) == (0, True)


def test_what_is_pruned_is_not_looked_at(connection: sqlite3.Connection) -> None:
    append(connection, [replace(an_event(), occurred_at=float(at)) for at in range(3 * STRETCH)])

    behind: int | None = 0
    while behind is not None:
        behind = forget_settled(connection, 0.0, Retention(), behind, kept_after=2 * STRETCH + STRETCH // 2)

    assert connection.execute("SELECT last_seq FROM event_stretch").fetchall() == [(3 * STRETCH,)]
    assert look_ahead(connection, 0.0) == (2 * STRETCH + STRETCH // 2, True)


def _add_unnoted(connection: sqlite3.Connection, count: int) -> None:
    """Add events to a stretch that has no end yet."""
    sql = """
        INSERT INTO event (id, type, class, occurred_at, data)
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
        SELECT 'evt_' || n, 'common', 'passing', n, '{}' FROM number"""
    connection.execute(sql, (count,))


def _rows_looked_at(connection: sqlite3.Connection, since: float) -> int:
    """Return how many rows SQLite steps over, roughly: it takes some five instructions for each."""
    calls: list[None] = []
    connection.set_progress_handler(lambda: calls.append(None), 5)
    look_ahead(connection, since)
    connection.set_progress_handler(None, 0)
    return len(calls)
