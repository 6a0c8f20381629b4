import sqlite3
from contextlib import closing

import pytest

from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.store.messaging.people.user_sessions import Coverage, coverage
from openwa_manager.store.migrations import migrate, shipped

_ADD = """
    INSERT INTO session (session_id, user_id, engine, labels, env, engine_key, desired, process, link, launch_count,
        qr_seq, qr_attempts, restarts, event_seq, created_at, updated_at)
    VALUES (?, ?, 'openwa', '{}', '{}', '', 'stopped', 'stopped', 'none', 0, 0, 0, '{}', 0, 0, 0)"""


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [
        (("a_1", "a_2"), (True, False)),
        (("a_*",), (True, False)),
        (("*",), (True, False)),
        (("a_1",), (True, True)),
        (("b_*",), (False, True)),
        ((), (False, True)),
    ],
)
def test_a_scope_covers_some_sessions_of_a_user_or_all(
    connection: sqlite3.Connection, patterns: tuple[str, ...], covered: tuple[bool, bool]
) -> None:
    connection.executemany(_ADD, [("a_1", "one"), ("a_2", "one"), ("b_1", "two"), ("b_2", None)])

    assert coverage(connection, "one", scope_of(patterns)) == covered


def test_a_user_without_sessions_is_neither_covered_nor_somebody_elses(connection: sqlite3.Connection) -> None:
    assert coverage(connection, "nobody", scope_of(["*"])) == Coverage(has_some=False, has_others=False)


def test_a_session_that_is_gone_is_still_one_of_its_user(connection: sqlite3.Connection) -> None:
    connection.execute(_ADD, ("b_1", "one"))
    connection.execute("DELETE FROM session")
    connection.execute(_ADD, ("a_1", "one"))
    connection.execute("UPDATE session SET updated_at = 1")

    assert coverage(connection, "one", scope_of(["a_*"])) == Coverage(has_some=True, has_others=True)


def test_sessions_that_were_there_before_are_known_by_themselves_and_by_what_is_left_of_them() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, [each for each in shipped() if each.number < 12])
        connection.execute(_ADD, ("a_1", "one"))
        connection.execute(
            "INSERT INTO event (id, session_id, user_id, type, class, occurred_at, data) "
            "VALUES ('evt_1', 'b_1', 'one', 'session.deleted', 'state', 0, '{}')"
        )

        migrate(connection)

        assert coverage(connection, "one", scope_of(["a_*"])) == Coverage(has_some=True, has_others=True)
