import sqlite3
from dataclasses import replace

from openwa_manager.store.delivery.outbox import LOOKED_AT_MAX, append, look_ahead
from tests.store.delivery.samples import an_event


def test_what_happened_since_a_time_begins_behind_a_seq(connection: sqlite3.Connection) -> None:
    append(connection, [replace(an_event(), occurred_at=float(at)) for at in (10, 20, 15, 30)])

    assert look_ahead(connection, 0.0) == (0, True)
    assert look_ahead(connection, 15.0) == (1, True)
    assert look_ahead(connection, 30.0) == (3, True)


def test_so_many_events_are_looked_at_in_one_go(connection: sqlite3.Connection) -> None:
    sql = """
        INSERT INTO event (id, type, class, occurred_at, data)
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
        SELECT 'evt_' || n, 'common', 'passing', n, '{}' FROM number"""
    connection.execute(sql, (LOOKED_AT_MAX + 5,))

    first = look_ahead(connection, LOOKED_AT_MAX + 3)
    second = look_ahead(connection, LOOKED_AT_MAX + 3, first.seq)
    past = look_ahead(connection, LOOKED_AT_MAX + 9, LOOKED_AT_MAX)

    assert first == (LOOKED_AT_MAX, False)
    assert second == (LOOKED_AT_MAX + 2, True)
    assert look_ahead(connection, LOOKED_AT_MAX + 9, past.seq) == (past.seq, True)
