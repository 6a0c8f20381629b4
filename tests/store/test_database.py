import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from openwa_manager.domain.errors import ConfigError, DrainingError, StorageFullError, StoreDamagedError
from openwa_manager.store.checkpoints import USUAL
from openwa_manager.store.database import Database
from openwa_manager.store.write_groups import GROUP_MAX


def put(connection: sqlite3.Connection, key: str) -> int:
    connection.execute("INSERT INTO engine_event VALUES ('s', ?, 0)", (key,))
    return connection.total_changes


def keys(connection: sqlite3.Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT idempotency_key FROM engine_event")]


def refuse(connection: sqlite3.Connection) -> None:
    put(connection, "taken back")
    raise LookupError("the caller's own mistake")


async def test_a_finished_write_is_seen_by_the_next_read(database: Database) -> None:
    await database.write(partial(put, key="a"))

    assert await database.read(keys) == ["a"]


async def test_a_write_survives_reopening(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as first:
        await first.write(partial(put, key="a"))

    async with Database(tmp_path / "manager.db") as second:
        assert await second.read(keys) == ["a"]


async def test_a_failing_write_fails_alone_in_its_group(database: Database) -> None:
    failures: list[Exception] = []

    async def fail() -> None:
        try:
            await database.write(refuse)
        except LookupError as error:
            failures.append(error)

    async with asyncio.TaskGroup() as group:
        group.create_task(database.write(partial(put, key="before")))
        group.create_task(fail())
        group.create_task(database.write(partial(put, key="after")))

    assert len(failures) == 1
    assert await database.read(keys) == ["after", "before"]


async def test_writes_that_queue_up_share_a_commit_and_groups_are_bounded(database: Database) -> None:
    commits: list[str] = []
    await database.write(lambda c: c.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None))

    async with asyncio.TaskGroup() as group:
        for number in range(GROUP_MAX * 2 + 1):
            group.create_task(database.write(partial(put, key=f"{number:04}")))

    await database.write(lambda c: c.set_trace_callback(None))
    assert 3 <= len(commits) - 1 <= 5
    assert len(await database.read(keys)) == GROUP_MAX * 2 + 1


async def test_a_cancelled_caller_does_not_take_its_write_back(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        leader = group.create_task(database.write(partial(put, key="leader")))
        follower = group.create_task(database.write(partial(put, key="follower")))
        await asyncio.sleep(0)
        leader.cancel()
        follower.cancel()
        other = group.create_task(database.write(partial(put, key="other")))

    assert other.result() > 0
    assert sorted(await database.read(keys)) == ["follower", "leader", "other"]


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(partial(put, key="a"))


async def test_a_full_disk_is_told_as_such_and_the_next_write_succeeds_once_there_is_room(database: Database) -> None:
    def limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    await database.write(partial(limit, pages=1))  # SQLite raises it to the present size

    with pytest.raises(StorageFullError):
        await database.write(partial(put, key="x" * 100_000))

    await database.write(partial(limit, pages=1_000_000))
    await database.write(partial(put, key="a"))
    assert await database.read(keys) == ["a"]


async def test_what_a_full_disk_rolled_back_is_told_to_every_caller_of_the_group(database: Database) -> None:
    failed: list[str] = []

    def roll_back(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")  # what SQLite does by itself when it cannot go on
        raise sqlite3.OperationalError("disk I/O error")

    async def attempt(key: str) -> None:
        try:
            await database.write(roll_back if key == "bad" else partial(put, key=key))
        except sqlite3.OperationalError:
            failed.append(key)

    async with asyncio.TaskGroup() as group:
        group.create_task(attempt("first"))  # alone in its group or not: then it comes before the failure
        for key in ("early", "bad", "late"):
            group.create_task(attempt(key))

    assert set(failed) >= {"early", "bad", "late"}
    assert set(await database.read(keys)).isdisjoint(failed)


async def test_a_file_that_is_no_database_is_refused_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    path.touch(mode=0o600)
    path.write_bytes(b"certainly no database" * 1000)

    with pytest.raises(StoreDamagedError):
        await Database(path).open()


async def test_a_damaged_page_is_found_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    async with Database(path) as database:
        for number in range(200):
            await database.write(partial(put, key=f"{number}" * 50))
        await database.write(lambda c: c.execute("SELECT 1").fetchall())
    content = bytearray(path.read_bytes())
    content[-4096 * 3 :] = b"\xff" * (4096 * 3)
    path.write_bytes(content)

    with pytest.raises(StoreDamagedError):
        await Database(path).open()


async def test_the_file_is_for_its_owner_only(tmp_path: Path, database: Database) -> None:
    await database.write(partial(put, key="a"))

    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "manager.db": 0o600,
        "manager.db-shm": 0o600,
        "manager.db-wal": 0o600,
    }


async def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    path.touch(mode=0o644)
    path.chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        await Database(path).open()


async def test_a_file_the_system_hinders_is_named(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    (tmp_path / "manager.db-wal").mkdir()

    with pytest.raises(ConfigError, match=r"manager\.db cannot be used: .+"):
        await Database(path).open()


async def test_a_closed_database_takes_no_writes(database: Database) -> None:
    await database.close()

    with pytest.raises(DrainingError):
        await database.write(partial(put, key="a"))


async def test_a_snapshot_is_a_whole_database_and_replaces_the_one_before(tmp_path: Path, database: Database) -> None:
    copy = tmp_path / "copy.db"
    await database.snapshot(copy)
    await database.write(partial(put, key="a"))

    await database.snapshot(copy)

    assert copy.stat().st_mode & 0o777 == 0o600
    async with Database(copy) as copied:
        assert await copied.read(keys) == ["a"]


async def test_a_snapshot_without_a_place_to_go_leaves_nothing_behind(tmp_path: Path, database: Database) -> None:
    with pytest.raises(FileNotFoundError):
        await database.snapshot(tmp_path / "missing" / "copy.db")


async def test_those_who_share_a_commit_go_on_in_the_order_in_which_they_came(database: Database) -> None:
    order: list[str] = []

    async def write(key: str) -> None:
        await database.write(partial(put, key=key))
        order.append(key)

    async with asyncio.TaskGroup() as tasks:
        for number in range(GROUP_MAX):
            tasks.create_task(write(f"{number:03}"))

    assert order == sorted(order)


async def test_a_cancelled_first_writer_holds_up_nobody(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(database.write(partial(put, key="first")))
        tasks.create_task(database.write(partial(put, key="second")))
        await asyncio.sleep(0)
        first.cancel()

    assert await database.read(keys) == ["first", "second"]


async def test_a_group_wakes_the_loop_once_and_a_write_alone_needs_no_savepoint(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakes, statements = list[object](), list[str]()
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe

    def noted(callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        wakes.append(callback)
        return wake(callback, *arguments)

    await database.write(lambda connection: connection.set_trace_callback(statements.append))
    monkeypatch.setattr(loop, "call_soon_threadsafe", noted)

    await database.write(partial(put, key="alone"))
    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(database.write(partial(put, key=f"{number}")))

    assert len(wakes) == 2
    assert statements.count("SAVEPOINT write") == 3


async def test_what_was_overwritten_does_not_stay_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    async with Database(path) as database:
        await database.write(lambda c: c.execute("CREATE TABLE said (text)"))
        await database.write(lambda c: c.execute("INSERT INTO said VALUES ('CANARY-TEXT')"))
        await database.write(lambda c: c.execute("UPDATE said SET text = NULL"))
        assert b"CANARY-TEXT" in b"".join(each.read_bytes() for each in tmp_path.glob("manager.db*"))

        assert await database.empty_log()

        assert b"CANARY-TEXT" not in b"".join(each.read_bytes() for each in tmp_path.glob("manager.db*"))
        await database.write(lambda c: c.execute("INSERT INTO said VALUES ('again')"))


async def test_the_log_is_brought_over_beside_the_writer_before_it_is_emptied(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    async with Database(path) as database:
        await database.write(lambda c: c.execute("CREATE TABLE said (text)"))
        await database.write(lambda c: c.execute("INSERT INTO said VALUES ('hello')"))
        begun, ended = asyncio.Event(), Event()
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(database.write(lambda _: (loop.call_soon_threadsafe(begun.set), ended.wait(60))))
            await begun.wait()
            emptying = tasks.create_task(database.empty_log())
            while b"hello" not in await asyncio.to_thread(path.read_bytes):
                assert not emptying.done()
            ended.set()

        assert emptying.result()
        assert path.with_name("manager.db-wal").stat().st_size == 0


async def test_a_copy_brings_the_log_over_beside_the_writer_which_then_does_so_again(tmp_path: Path) -> None:
    path = tmp_path / "manager.db"
    async with Database(path) as database:
        await database.write(lambda c: c.execute("CREATE TABLE said (text)"))
        await database.write(lambda c: c.execute("INSERT INTO said VALUES ('hello')"))
        assert b"hello" not in path.read_bytes()

        await database.snapshot(tmp_path / "copy.db")

        assert b"hello" in path.read_bytes()
        assert await database.write(log_max_pages) == USUAL
        with pytest.raises(FileNotFoundError):
            await database.snapshot(tmp_path / "missing" / "copy.db")
        assert await database.write(log_max_pages) == USUAL


def log_max_pages(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    return int(pages)
