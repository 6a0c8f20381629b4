import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.engines.proxy import change_proxy


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Make the part of OpenWA's database that matters here, with two sessions in it."""
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "openwa.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute('CREATE TABLE sessions (name text UNIQUE, "proxyUrl" varchar(255), "proxyType" varchar(10))')
        connection.executemany(
            "INSERT INTO sessions VALUES (?, ?, ?)", [("ours", "http://old", "http"), ("other", None, None)]
        )
    return database


def proxies(database: Path) -> dict[str, tuple[str | None, str | None]]:
    with closing(sqlite3.connect(database)) as connection:
        return {name: (url, kind) for name, url, kind in connection.execute("SELECT * FROM sessions")}


def test_a_changed_proxy_reaches_the_session_it_is_for(database: Path, tmp_path: Path) -> None:
    change_proxy(of_session(tmp_path), "ours", "socks5://new:1080")

    assert proxies(database) == {"ours": ("socks5://new:1080", None), "other": (None, None)}


def test_a_proxy_that_is_gone_is_removed(database: Path, tmp_path: Path) -> None:
    change_proxy(of_session(tmp_path), "ours", None)

    assert proxies(database)["ours"] == (None, None)


def test_an_unchanged_proxy_leaves_the_record_alone(database: Path, tmp_path: Path) -> None:
    change_proxy(of_session(tmp_path), "ours", "http://old")

    assert proxies(database)["ours"] == ("http://old", "http")


def test_before_the_first_launch_there_is_nothing_to_change(tmp_path: Path) -> None:
    change_proxy(of_session(tmp_path), "ours", "http://new")

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 20, b""])
def test_a_damaged_database_is_left_for_openwa_to_complain_about(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "openwa.sqlite").write_bytes(content)

    with structlog.testing.capture_logs() as logs:
        change_proxy(of_session(tmp_path), "ours", "http://user:password@new")

    assert [entry["event"] for entry in logs] == ["proxy_unchanged"]
    assert "password" not in str(logs)
    assert (tmp_path / "data" / "openwa.sqlite").read_bytes() == content
