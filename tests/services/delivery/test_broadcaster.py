import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.event_filter import EventFilter
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.broadcaster import Broadcaster, Interest
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import append
from tests.fakes.clock import FakeClock
from tests.services.delivery.dispatch_setup import an_event

IDLE_S = 60.0


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        yield opened


async def tell(database: Database, broadcaster: Broadcaster, *sessions: str) -> None:
    events = [an_event(session=session, event_type=f"of.{session}") for session in sessions]
    await database.write(partial(append, events=events))
    broadcaster.wake()


async def test_a_reader_gets_what_it_missed_and_then_what_comes(database: Database) -> None:
    broadcaster = Broadcaster(database, FakeClock())
    await tell(database, broadcaster, *"aaa")

    async with aclosing(broadcaster.follow(Interest(after=1), IDLE_S)) as batches:
        missed = await anext(batches)
        await tell(database, broadcaster, "b")
        live = await anext(batches)

    assert [stored.seq for stored in missed] == [2, 3]
    assert [stored.seq for stored in live] == [4]


async def test_a_reader_without_a_past_begins_now(database: Database) -> None:
    broadcaster = Broadcaster(database, FakeClock())
    await tell(database, broadcaster, *"aaa")

    async with aclosing(broadcaster.follow(Interest(), IDLE_S)) as batches, asyncio.TaskGroup() as tasks:
        live = tasks.create_task(anext(batches))
        while not live.done():
            await tell(database, broadcaster, "b")

    assert {stored.event.session_id for stored in live.result()} == {"b"}


async def test_a_reader_gets_only_what_it_asked_for(database: Database) -> None:
    broadcaster = Broadcaster(database, FakeClock())
    await tell(database, broadcaster, *"abcab")

    async with (
        aclosing(broadcaster.follow(Interest(after=0, events=EventFilter(session_id=SessionId("a"))), IDLE_S)) as of_a,
        aclosing(broadcaster.follow(Interest(after=0, events=EventFilter(types=("of.b", "of.c"))), IDLE_S)) as of_types,
    ):
        assert [stored.seq for stored in await anext(of_a)] == [1, 4]
        assert [stored.seq for stored in await anext(of_types)] == [2, 3, 5]
        await tell(database, broadcaster, *"cba")
        assert [stored.seq for stored in await anext(of_a)] == [8]


async def test_a_long_past_comes_in_batches_and_in_order(database: Database) -> None:
    broadcaster = Broadcaster(database, FakeClock())
    await tell(database, broadcaster, *"a" * 450)

    async with aclosing(broadcaster.follow(Interest(after=0), IDLE_S)) as batches:
        seqs = [stored.seq for _ in range(9) for stored in await anext(batches)]

    assert seqs == list(range(1, 451))


async def test_many_readers_are_woken_by_one_event(database: Database) -> None:
    broadcaster = Broadcaster(database, FakeClock())

    async def first() -> int:
        async with aclosing(broadcaster.follow(Interest(after=0), IDLE_S)) as batches:
            return (await anext(batches))[0].seq

    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(first()) for _ in range(20)]
        await tell(database, broadcaster, "a")

    assert [reader.result() for reader in readers] == [1] * 20


async def test_a_reader_without_news_gets_an_empty_batch_now_and_then(database: Database) -> None:
    clock = FakeClock()
    broadcaster = Broadcaster(database, clock)
    silence: list[list[StoredEvent]] = []

    async with aclosing(broadcaster.follow(Interest(events=EventFilter(types=("of.a",))), IDLE_S)) as batches:
        for _ in range(3):
            async with asyncio.TaskGroup() as tasks:
                batch = tasks.create_task(anext(batches))
                await clock.until_sleeping()
                await clock.advance(IDLE_S)
            silence.append(batch.result())
        await tell(database, broadcaster, "b", "a")
        news = await anext(batches)

    assert silence == [[], [], []]
    assert [stored.seq for stored in news] == [2]


async def test_a_reader_comes_to_its_end_once_it_has_read_all(database: Database) -> None:
    broadcaster = Broadcaster(database, FakeClock())
    await tell(database, broadcaster, *"a" * 250)
    broadcaster.close()

    async with aclosing(broadcaster.follow(Interest(after=0), IDLE_S)) as batches:
        seqs = [stored.seq async for batch in batches for stored in batch]

    assert seqs == list(range(1, 251))
