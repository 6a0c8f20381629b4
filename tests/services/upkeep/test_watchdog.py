"""The watchdog on a real database; the time between its checks is the test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from openwa_manager.services.upkeep.watchdog import Watchdog
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.lockout import locked_out


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        yield opened


@asynccontextmanager
async def watching(database: Database, limit_s: float, clock: FakeClock) -> AsyncIterator[list[float]]:
    """Run a watchdog; yields when it was fed, by the boot clock."""
    fed_at: list[float] = []
    watchdog = Watchdog(limit_s, database, clock, lambda: fed_at.append(clock.now().boot_s))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watchdog.run())
        await clock.until_sleeping()
        yield fed_at
        running.cancel()


async def advance(clock: FakeClock, seconds: float) -> None:
    """Let time pass, and the check that it brings come to its end."""
    await clock.advance(seconds)
    await clock.until_sleeping()


async def test_it_is_fed_at_once_and_then_every_half_of_the_time_it_allows(database: Database) -> None:
    clock = FakeClock(boot_s=100.0)

    async with watching(database, 30.0, clock) as fed_at:
        for seconds in (14.9, 0.1, 15.0, 14.0):
            await advance(clock, seconds)

    assert fed_at == [100.0, 115.0, 130.0]


async def test_it_starves_while_the_database_does_not_answer_and_is_fed_again_afterwards(database: Database) -> None:
    clock = FakeClock(boot_s=100.0)

    async with watching(database, 0.4, clock) as fed_at:
        with locked_out(database._path):
            await advance(clock, 0.2)
            await advance(clock, 0.2)
            starved = list(fed_at)
        await database.read(lambda _: None)  # behind the checks that still hang in the reader's queue
        await advance(clock, 0.2)

    assert starved == [100.0]
    assert fed_at == [100.0, pytest.approx(100.6)]


async def test_a_beat_that_comes_late_feeds_it_before_the_database_is_asked(database: Database) -> None:
    clock = FakeClock(boot_s=100.0)

    async with watching(database, 0.4, clock) as fed_at:
        with locked_out(database._path):
            await advance(clock, 0.2)
            await clock.sleep_host(5.0)
            fed_meanwhile = list(fed_at)
        await database.read(lambda _: None)

    assert fed_meanwhile == [100.0, pytest.approx(105.2)]
