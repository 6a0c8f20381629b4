"""Whether a database of an engine was cut."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.wholeness import is_cut

PLACE = ("data", "openwa.sqlite")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Make a database of several pages."""
    path = tmp_path.joinpath(*PLACE)
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE message (body TEXT)")
        connection.executemany("INSERT INTO message VALUES (?)", [("x" * 1000,) for _ in range(50)])
    return path


def cut(path: Path, *, is_live: bool = True) -> bool:
    return is_cut(ForeignPath(root=path.parents[1], parts=path.parts[-2:]), is_live=is_live)


def test_a_whole_database_is_not_cut_while_it_is_used_either(database: Path) -> None:
    assert not cut(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO message SELECT body FROM message")
        assert not cut(database)
    assert not cut(database)


@pytest.mark.parametrize("size_bytes", [1, 99, 100, 4096, 20_000])
@pytest.mark.parametrize("is_live", [True, False])
def test_one_that_lacks_its_end_is_cut(database: Path, size_bytes: int, is_live: bool) -> None:
    os.truncate(database, size_bytes)

    assert cut(database, is_live=is_live)


def test_one_with_a_log_of_changes_is_whole_until_it_is_cut(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("INSERT INTO message SELECT body FROM message")
        assert database.with_name("openwa.sqlite-wal").stat().st_size
        was_cut = cut(database)

        os.truncate(database, 8192)

        assert not was_cut
        assert cut(database)
        assert not cut(database, is_live=False)  # the log may hold what is missing


def test_what_a_journal_will_mend_is_not_cut(database: Path) -> None:
    os.truncate(database, 20_000)
    database.with_name("openwa.sqlite-journal").write_bytes(b"journal")

    assert not cut(database)
    assert not cut(database, is_live=False)


def test_the_files_of_the_simulator_end_with_a_line(tmp_path: Path) -> None:
    lines = tmp_path / "data" / "openwa.json"
    lines.parent.mkdir()
    lines.write_text('{"sessions": []}\n{"sessions": []}\n')
    was_cut = cut(lines)

    os.truncate(lines, 25)

    assert not was_cut
    assert cut(lines)
    assert not cut(lines, is_live=False)


def test_what_cannot_be_read_or_is_no_file_is_not_known_to_be_cut(tmp_path: Path) -> None:
    place = tmp_path.joinpath(*PLACE)
    place.parent.mkdir()
    assert not cut(place)
    os.mkfifo(place)
    assert not cut(place)
    place.unlink()
    place.write_bytes(b"another kind of file, of a version to come" * 10)
    assert not cut(place)
