"""With a full disk what must not wait is written with the room that was kept for it."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.errors import StorageFullError
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.reserve import RESERVE_BYTES, Reserve
from tests.fakes.small_disk import fill, small_disk


def put(connection: Connection, key: str) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS things (key TEXT)")
    connection.execute("INSERT INTO things VALUES (?)", (key,))


def keys(connection: Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT key FROM things")]


async def fill_up(home: Path, database: Database) -> None:
    """Leave no room on the disk, nor any that SQLite's log has taken already."""
    fill(home)
    with suppress(StorageFullError):
        while True:
            await database.write(partial(put, key="x" * 5000))


async def test_only_what_is_urgent_is_written_with_the_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as home:
        async with Database(home / "manager.db") as database:
            await database.write(partial(put, key="first"))
            database.reserve.set_aside()
            await fill_up(home, database)

            with pytest.raises(StorageFullError):
                await database.write(partial(put, key="y" * 5000))
            await database.write(partial(put, key="urgent"), is_urgent=True)

            assert not (home / "reserve").exists()
        async with Database(home / "manager.db") as database:
            found = await database.read(keys)
            assert found[0] == "first"
            assert found[-1] == "urgent"
            assert "y" * 5000 not in found


async def test_without_a_reserve_what_is_urgent_is_refused_like_all_else(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as home:
        async with Database(home / "manager.db") as database:
            await fill_up(home, database)

            with pytest.raises(StorageFullError):
                await database.write(partial(put, key="y" * 5000), is_urgent=True)


def test_room_is_set_aside_only_where_there_is_much(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "8m") as small, small_disk(tmp_path / "large", "24m") as large:
        Reserve(small / "reserve").set_aside()
        reserve = Reserve(large / "reserve")
        reserve.set_aside()
        reserve.make_way_for_start()

        assert list(small.iterdir()) == []
        assert (large / "reserve").stat().st_size == RESERVE_BYTES
        fill(large)
        reserve.make_way_for_start()
        assert not (large / "reserve").exists()
        assert not reserve.make_way()


async def test_what_fails_for_another_reason_leaves_the_reserve(tmp_path: Path) -> None:
    def fail(connection: Connection) -> None:
        put(connection, "a")
        raise ValueError("no room is missing")

    async with Database(tmp_path / "manager.db") as database:
        await asyncio.to_thread(database.reserve.set_aside)

        with pytest.raises(ValueError, match="no room"):
            await database.write(fail, is_urgent=True)

        assert (tmp_path / "reserve").exists()
