import asyncio
import time
from functools import partial
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import append
from tests.api.measuring import measurements_of
from tests.api.world import world_in
from tests.fakes.clock import FakeClock, settle
from tests.services.delivery.dispatch_setup import an_endpoint


def stored(event_type: str, reason: str) -> StoredEvent:
    event = Event(type=event_type, occurred_at=0.0, data={"reason": reason})
    return StoredEvent(seq=1, id="evt_1", event=event)


async def test_restarts_are_counted_by_reason_and_nothing_else_is(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client) as world:
        metrics_collector = measurements_of(world)

        metrics_collector.note(
            [stored("session.restarted", "engine_exited"), stored("session.crashed", "engine_exited")]
        )
        metrics_collector.note(
            [stored("session.restarted", "engine_exited"), stored("session.restarted", "memory_limit")]
        )

        assert (await metrics_collector.read()).restarts == {"engine_exited": 2, "memory_limit": 1}


async def test_whatever_blocks_the_loop_shows_as_lag(
    tmp_path: Path, aiohttp_client: AiohttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    async with world_in(tmp_path, aiohttp_client) as world, asyncio.TaskGroup() as tasks:
        metrics_collector = measurements_of(world)
        running = tasks.create_task(metrics_collector.run())
        await settle()

        monkeypatch.setattr(loop, "time", lambda: time.monotonic() + 1.5)  # as after a step that took so long
        await settle()

        lag = (await metrics_collector.read()).loop_lag
        running.cancel()
    assert lag.buckets()[-1][1] == 1
    assert lag.total_s > 0.4


async def test_the_oldest_event_is_found_every_ten_seconds(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    clock = FakeClock()
    begun_at = clock.now().at
    async with world_in(tmp_path, aiohttp_client) as world:
        metrics_collector = measurements_of(world, clock=clock)
        await world.database.write(partial(save_endpoint, endpoint=an_endpoint()))

        async def after(*ages_s: float) -> float:
            events = [Event(type="manager.started", occurred_at=begun_at - age_s) for age_s in ages_s]
            await world.database.write(partial(append, events=events))
            return (await metrics_collector.read()).outstanding.oldest_s

        assert await after() == 0.0
        assert await after(5.0) == 5.0
        await world.database.write(lambda connection: connection.execute("UPDATE event SET occurred_at = 0"))
        await clock.advance(9.0)
        assert await after() == 14.0
        await clock.advance(1.0)
        assert await after() == begun_at + 10.0
