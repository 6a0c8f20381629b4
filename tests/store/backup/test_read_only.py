import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.store.backup.read_only import BuildsInUse, builds_in_use, connect_read_only
from openwa_manager.store.migrations import migrate


@pytest.fixture
def database(tmp_path: Path) -> Path:
    home = tmp_path / "a b%20#?c"
    home.mkdir()
    path = home / "manager.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE session (session_id TEXT)")
    return path


def test_a_database_is_read_wherever_it_lies(database: Path) -> None:
    with closing(connect_read_only(database)) as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (0,)


def test_nothing_can_be_written(database: Path) -> None:
    with closing(connect_read_only(database)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("INSERT INTO session VALUES ('a')")


def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        connect_read_only(tmp_path / "missing.db")

    assert not (tmp_path / "missing.db").exists()


def test_the_builds_that_sessions_would_run_are_told(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection)
        fresh = builds_in_use(path)
        connection.execute("UPDATE default_build SET name = '0.23.1'")

        assert fresh == BuildsInUse("openwa_home", {})
        assert builds_in_use(path) == BuildsInUse("0.23.1", {})


def test_of_a_database_that_knows_no_builds_the_settings_one_is_told(database: Path, tmp_path: Path) -> None:
    assert builds_in_use(database) == BuildsInUse()
    assert builds_in_use(tmp_path / "absent.db") == BuildsInUse()
