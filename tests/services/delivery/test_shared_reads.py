import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.services.delivery.shared_reads import SharedReads
from openwa_manager.store.columns import SLICE_MAX_BYTES
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.outbox import append, begins_large
from tests.services.delivery.dispatch_setup import an_event


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        yield opened


def is_large(connection: Connection) -> bool:
    del connection
    return True


def is_small(connection: Connection) -> bool:
    del connection
    return False


def read(connection: Connection) -> int:
    return int(connection.execute("SELECT 7").fetchone()[0])


async def test_few_read_a_large_event_at_a_time_and_the_others_wait(database: Database) -> None:
    reads = SharedReads(database)
    entered: list[int] = []

    async def one_more() -> None:
        async with reads.reading(is_large, read) as found:
            entered.append(found)

    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(reads.reading(is_large, read))
        tasks.create_task(one_more())
        async with reads.reading(is_small, read) as small:  # whoever reads small ones waits for none of them
            meanwhile = (small, *entered)

    assert meanwhile == (7,)
    assert entered == [7]


async def test_two_readers_never_go_on_in_the_same_turn_of_the_loop(database: Database) -> None:
    reads, loop_turn, gone_on = SharedReads(database), 0, list[int]()

    async def count() -> None:
        nonlocal loop_turn
        while len(gone_on) < 5:
            loop_turn += 1
            await asyncio.sleep(0)

    async def go_on() -> None:
        async with reads.reading(is_small, read):
            gone_on.append(loop_turn)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(count())
        for _ in range(5):
            tasks.create_task(go_on())

    assert len(set(gone_on)) == 5


async def test_an_event_is_large_that_no_slice_holds(database: Database) -> None:
    small, large = (replace(an_event(), data={"body": "x" * count}) for count in (10, SLICE_MAX_BYTES))
    await database.write(partial(append, events=[small, large]))

    assert not await database.read(partial(begins_large, after=0))
    assert await database.read(partial(begins_large, after=1))
    assert not await database.read(partial(begins_large, after=2))
