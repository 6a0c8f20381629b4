import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.store.backup.read_only import connect_read_only


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
