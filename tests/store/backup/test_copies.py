"""A database is copied before a migration changes it, and an older program says which copy it can go on with."""

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.domain.errors import CopyFailedError, SchemaTooNewError
from openwa_manager.store.backup.copies import KEPT_COUNT, upgrade
from openwa_manager.store.backup.restore import restore_newest
from openwa_manager.store.database import Database
from openwa_manager.store.migrations import Migration, migrate, shipped


def migration(number: int, sql: str | None = None) -> Migration:
    return Migration(number=number, name=f"{number:04}_x.sql", sql=sql or f"CREATE TABLE t{number} (a TEXT);")


def up_to(number: int) -> list[Migration]:
    """Return the migrations that a program of that age knows."""
    return [migration(each) for each in range(1, number + 1)]


class Files:
    """A database on disk and the folder of its copies."""

    def __init__(self, root: Path) -> None:
        self.path = root / "manager.db"
        self.copies = root / "copies"
        self.copies.mkdir()

    def upgrade(self, migrations: Sequence[Migration]) -> None:
        """Start the program that knows these migrations."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            upgrade(connection, self.path, self.copies, migrations)

    def names(self) -> list[str]:
        return sorted(copy.name for copy in self.copies.iterdir())

    def copy(self, number: int) -> Path:
        return self.copies / f"before-migration-{number:04}.db"


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_new_database_is_not_copied(files: Files) -> None:
    files.upgrade(up_to(3))

    assert files.names() == []


def test_a_database_that_is_up_to_date_is_not_copied(files: Files) -> None:
    files.upgrade(up_to(3))

    files.upgrade(up_to(3))

    assert files.names() == []


def test_before_the_first_missing_migration_the_whole_database_is_copied_for_its_owner_only(files: Files) -> None:
    files.upgrade(up_to(2))
    with closing(sqlite3.connect(files.path)) as connection, connection:
        connection.execute("INSERT INTO t1 VALUES ('kept')")

    files.upgrade(up_to(4))

    assert files.names() == ["before-migration-0003.db"]
    assert files.copy(3).stat().st_mode & 0o777 == 0o600
    assert tables(files.copy(3)) == {"migration", "t1", "t2"}
    assert tables(files.path) == {"migration", "t1", "t2", "t3", "t4"}
    with closing(sqlite3.connect(files.copy(3))) as connection:
        assert connection.execute("SELECT a FROM t1").fetchall() == [("kept",)]


def test_only_the_newest_copies_are_kept_and_what_else_lies_there_stays(files: Files) -> None:
    (files.copies / "manager-1800000000.db").touch()

    for number in range(1, 8):
        files.upgrade(up_to(number))

    kept = [files.copy(number).name for number in range(8 - KEPT_COUNT, 8)]
    assert files.names() == [*kept, "manager-1800000000.db"]


def test_a_copy_just_made_stays_though_the_clock_says_it_is_the_oldest(files: Files) -> None:
    for number in range(1, 5):
        files.upgrade(up_to(number))
    for copy in files.copies.iterdir():
        os.utime(copy, (4e9, 4e9))

    files.upgrade(up_to(5))

    assert files.copy(5).name in files.names()
    assert len(files.names()) == KEPT_COUNT


def test_a_migration_that_fails_leaves_the_database_as_it_was_and_the_copy_beside_it(files: Files) -> None:
    files.upgrade(up_to(2))
    broken = migration(3, "CREATE TABLE t3 (a TEXT); INSERT INTO nowhere VALUES (1);")

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        files.upgrade([*up_to(2), broken])

    assert tables(files.path) == tables(files.copy(3)) == {"migration", "t1", "t2"}
    files.upgrade(up_to(3))
    assert files.names() == ["before-migration-0003.db"]


def test_without_a_copy_nothing_is_migrated(files: Files) -> None:
    files.upgrade(up_to(2))
    files.copies.rmdir()

    with pytest.raises(CopyFailedError, match=r"0003_x.sql .*cannot be .*No such file"):
        files.upgrade(up_to(3))

    assert tables(files.path) == {"migration", "t1", "t2"}


def test_an_older_program_names_the_newest_copy_that_it_can_read(files: Files) -> None:
    for number in (2, 3, 4, 5):
        files.upgrade(up_to(number))

    with pytest.raises(SchemaTooNewError) as refused:
        files.upgrade(up_to(3))

    assert "migration 0005; this one knows up to 0003" in str(refused.value)
    assert str(refused.value).endswith(f"cp -p {files.copy(4)} {files.path}")
    assert refused.value.code == "schema_too_new"


def test_the_copy_that_is_named_lets_the_older_program_go_on(files: Files) -> None:
    files.upgrade(up_to(3))
    files.upgrade(up_to(4))
    files.path.unlink()
    files.copy(4).rename(files.path)

    files.upgrade(up_to(3))

    assert tables(files.path) == {"migration", "t1", "t2", "t3"}


@pytest.mark.parametrize("spoil", [lambda copy: copy.unlink(), lambda copy: copy.write_bytes(b"\xff" * 9999)])
def test_an_older_program_says_so_when_no_copy_is_one_it_can_read(
    files: Files, spoil: Callable[[Path], object]
) -> None:
    for number in (2, 3, 4):
        files.upgrade(up_to(number))
    spoil(files.copy(3))

    with pytest.raises(SchemaTooNewError, match=f"no copy in {files.copies} is one that this version can read"):
        files.upgrade(up_to(2))


def test_a_copy_of_another_history_is_not_named(files: Files) -> None:
    files.upgrade(up_to(2))
    files.upgrade(up_to(3))

    with pytest.raises(SchemaTooNewError, match="no copy"):
        files.upgrade([migration(1), migration(2, "CREATE TABLE other (a TEXT);")])


def test_a_damaged_database_is_not_replaced_by_a_copy_from_before_a_migration(files: Files) -> None:
    files.upgrade(up_to(2))
    files.upgrade(up_to(3))
    files.path.write_bytes(b"\xff" * 10_000)

    assert restore_newest(files.path, files.copies, at=9.0) is None


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Make the database of a program that knew only the first of the shipped migrations."""
    path = tmp_path / "manager.db"
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, shipped()[:1])
    return path


async def test_opening_an_older_database_copies_it_before_its_tables_change(old: Path, tmp_path: Path) -> None:
    copies = tmp_path / "safe"
    copies.mkdir()

    async with Database(old, copies):
        pass

    (copy,) = copies.iterdir()
    assert copy.name == "before-migration-0002.db"
    assert "session" in tables(copy)
    assert "event" not in tables(copy)


async def test_opening_a_newer_database_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    async with Database(path) as database:
        await database.write(lambda c: c.execute("INSERT INTO migration VALUES (9999, '9999_later.sql', '')").rowcount)
    before = path.read_bytes()

    with pytest.raises(SchemaTooNewError, match="migration 9999"):
        await Database(path).open()

    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "darwin", reason="there every file name is UTF-8")
def test_a_database_whose_path_is_no_utf_8_is_copied_as_well(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"h\xff'%#?")
    root.mkdir()
    files = Files(root)
    files.upgrade(up_to(1))

    files.upgrade(up_to(2))

    assert tables(files.copy(2)) >= {"t1"}
