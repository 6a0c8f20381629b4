import sqlite3

import pytest

from openwa_manager.domain.errors import ConfigError, SchemaTooNewError
from openwa_manager.store.migrations import Migration, migrate, shipped

FIRST = Migration(number=1, name="0001_one.sql", sql="CREATE TABLE one (a TEXT);")
SECOND = Migration(number=2, name="0002_two.sql", sql="CREATE TABLE two (a TEXT); INSERT INTO one VALUES ('x');")


@pytest.fixture
def connection() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_each_migration_is_applied_once_and_in_order(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST])

    migrate(connection, [SECOND, FIRST])
    migrate(connection, [FIRST, SECOND])

    assert tables(connection) == {"migration", "one", "two"}
    assert connection.execute("SELECT count(*) FROM one").fetchone() == (1,)


def test_a_failing_migration_leaves_no_trace(connection: sqlite3.Connection) -> None:
    broken = Migration(
        number=2, name="0002_broken.sql", sql="CREATE TABLE two (a TEXT); INSERT INTO nowhere VALUES (1);"
    )

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, [FIRST, broken])

    assert tables(connection) == {"migration", "one"}
    migrate(connection, [FIRST, SECOND])
    assert "two" in tables(connection)


def test_a_script_that_does_not_parse_leaves_no_trace(connection: sqlite3.Connection) -> None:
    broken = Migration(number=1, name="0001_broken.sql", sql="CREATE GARBAGE;")

    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, [broken])

    assert tables(connection) == {"migration"}


def test_an_applied_migration_must_not_change(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST])

    with pytest.raises(ConfigError, match="changed"):
        migrate(connection, [Migration(number=1, name="0001_one.sql", sql="CREATE TABLE one (b TEXT);")])


def test_a_database_of_a_newer_version_is_refused(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST, SECOND])

    with pytest.raises(SchemaTooNewError, match=r"newer version .*migration 0002; this one knows up to 0001"):
        migrate(connection, [FIRST])


def test_the_shipped_migrations_are_numbered_without_gaps() -> None:
    migrations = shipped()

    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))
