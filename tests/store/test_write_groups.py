"""Writes of one kind share one call where they share a commit, and none pays for another's failure."""

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from openwa_manager.domain.errors import DrainingError
from openwa_manager.store.database import Database


class Keys:
    """Puts keys into a table, all of one call or none, and notes the calls; those with an `x` are refused."""

    def __init__(self) -> None:
        self.calls: list[Sequence[str]] = []

    def put(self, connection: sqlite3.Connection, keys: Sequence[str]) -> list[str]:
        self.calls.append(list(keys))
        for key in keys:
            put(connection, key)
            if "x" in key:
                raise LookupError(key)
        return [key.upper() for key in keys]


def put(connection: sqlite3.Connection, key: str) -> str:
    connection.execute("INSERT INTO engine_event VALUES ('s', ?, 0)", (key,))
    return key


def stored(connection: sqlite3.Connection) -> list[str]:
    return [key for (key,) in connection.execute("SELECT idempotency_key FROM engine_event")]


async def write_at_once(database: Database, keys: Keys, *asked: str) -> list[str | BaseException]:
    """Ask for these in the same moment, for a `.` at the end by a write of another kind; return what each brings."""

    async def write(key: str) -> str | BaseException:
        try:
            if key.endswith("."):
                return await database.write(partial(put, key=key))
            return await database.write_together(keys.put, key)
        except LookupError as error:
            return error

    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(write(key)) for key in asked]
    return [each.result() for each in begun]


async def test_what_is_asked_for_at_the_same_time_is_one_call(database: Database) -> None:
    keys = Keys()

    assert await write_at_once(database, keys, "a", "b.", "c") == ["A", "b.", "C"]

    assert keys.calls == [["a", "c"]]
    assert await database.read(stored) == ["a", "b.", "c"]


async def test_what_is_asked_for_later_is_a_later_call(database: Database) -> None:
    keys = Keys()

    assert [await database.write_together(keys.put, key) for key in "ab"] == ["A", "B"]

    assert keys.calls == [["a"], ["b"]]


async def test_a_failure_is_of_the_one_that_fails(database: Database) -> None:
    keys = Keys()

    first, failed, last, other = await write_at_once(database, keys, "a", "bx", "c", "d.")

    assert (first, last, other) == ("A", "C", "d.")
    assert isinstance(failed, LookupError)
    assert keys.calls == [["a", "bx", "c"], ["a"], ["bx"], ["c"]]
    assert await database.read(stored) == ["a", "c", "d."]


async def test_all_that_are_ready_one_after_another_share_a_commit_however_long_that_takes(database: Database) -> None:
    commits: list[str] = []
    await database.write(
        lambda connection: connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    )
    commits.clear()

    async def let_the_thread_run() -> None:
        Event().wait(0.05)

    async def write_a_turn_later(key: str) -> None:
        await asyncio.sleep(0)
        await let_the_thread_run()
        await database.write(partial(put, key=key))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(partial(put, key="a")))
        tasks.create_task(let_the_thread_run())
        tasks.create_task(database.write(partial(put, key="b")))
        tasks.create_task(write_a_turn_later("c"))

    assert len(commits) == 1


async def test_a_write_that_was_cancelled_before_it_began_and_those_that_joined_it_are_made(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(database.write(partial(put, key="a")))
        tasks.create_task(database.write(partial(put, key="b")))
        await asyncio.sleep(0)
        first.cancel()

    assert first.cancelled()
    assert await database.read(stored) == ["a", "b"]


async def test_a_write_that_was_accepted_is_finished_before_the_database_is_closed(tmp_path: Path) -> None:
    database = Database(tmp_path / "manager.db")
    await database.open()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(partial(put, key="a")))
        await asyncio.sleep(0)
        await database.close()

    async with Database(tmp_path / "manager.db") as again:
        assert await again.read(stored) == ["a"]


async def test_different_kinds_are_different_calls(database: Database) -> None:
    some, others = Keys(), Keys()

    async with asyncio.TaskGroup() as tasks:
        for keys, key in ((some, "a"), (others, "b"), (some, "c")):
            tasks.create_task(database.write_together(keys.put, key))

    assert (some.calls, others.calls) == ([["a", "c"]], [["b"]])


async def test_a_closed_database_takes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "manager.db")

    with pytest.raises(DrainingError):
        await database.write_together(Keys().put, "a")
