"""What `store/database.py` needs of aiosqlite's private call; a release where one of these fails is not for us."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest

from openwa_manager.store.database import _ThreadConnection

COUNT = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 1000) SELECT count(*) FROM n"


@pytest.fixture
async def connection() -> AsyncIterator[_ThreadConnection]:
    opened = _ThreadConnection(lambda: sqlite3.connect(":memory:", check_same_thread=False), 64)
    async with opened:
        yield opened


def thread_of(_: sqlite3.Connection) -> int:
    return threading.get_ident()


async def test_a_function_is_given_the_raw_connection_and_its_result_comes_back(connection: _ThreadConnection) -> None:
    def answer(raw: sqlite3.Connection) -> tuple[type, object]:
        return type(raw), raw.execute("SELECT 42").fetchone()

    assert await connection.run(answer) == (sqlite3.Connection, (42,))


async def test_every_function_runs_on_the_one_thread_of_its_connection(connection: _ThreadConnection) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(connection.run(thread_of)) for _ in range(20)]

    threads = {task.result() for task in tasks}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_what_a_function_raises_is_raised_to_its_caller_and_the_next_one_runs(
    connection: _ThreadConnection,
) -> None:
    mistake = LookupError("the function's own")

    def fail(_: sqlite3.Connection) -> None:
        raise mistake

    with pytest.raises(LookupError) as caught:
        await connection.run(fail)

    assert caught.value is mistake
    assert await connection.run(thread_of)


async def test_functions_run_one_at_a_time_and_in_the_order_they_came(connection: _ThreadConnection) -> None:
    said: list[str] = []

    def work(raw: sqlite3.Connection, number: int) -> None:
        said.append(f"{number} begins")
        raw.execute(COUNT).fetchone()  # other threads may run meanwhile
        said.append(f"{number} ends")

    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(connection.run(partial(work, number=number)))

    assert said == [f"{number} {what}" for number in range(100) for what in ("begins", "ends")]


async def test_a_function_runs_to_its_end_when_its_caller_is_cancelled(connection: _ThreadConnection) -> None:
    may_go_on = threading.Event()
    done: list[str] = []

    def wait(_: sqlite3.Connection) -> None:
        may_go_on.wait(10)
        done.append("the one that ran")

    async with asyncio.TaskGroup() as group:
        running = group.create_task(connection.run(wait))
        queued = group.create_task(connection.run(lambda _: done.append("the one that waited")))
        await asyncio.sleep(0)
        running.cancel()
        queued.cancel()
    may_go_on.set()

    await connection.run(thread_of)
    assert done == ["the one that ran", "the one that waited"]


async def test_closing_waits_for_the_functions_that_were_accepted(connection: _ThreadConnection) -> None:
    may_go_on = threading.Event()
    done: list[int] = []

    def work(_: sqlite3.Connection, number: int) -> None:
        may_go_on.wait(10)
        done.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(connection.run(partial(work, number=number)))
        await asyncio.sleep(0)
        closing = group.create_task(connection.close())
        await asyncio.sleep(0)
        may_go_on.set()

    assert closing.done()
    assert done == [0, 1, 2]
