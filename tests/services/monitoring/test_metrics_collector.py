import asyncio
import time
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.metrics import QR_PUSH_S, Durations
from openwa_manager.services.monitoring.metrics_collector import MetricsCollector
from tests.api.world import World, world_in
from tests.fakes.clock import settle


def measurements_of(world: World) -> MetricsCollector:
    return MetricsCollector(
        "0.1.0", world.sessions, world.database, Durations(QR_PUSH_S), None, world.messaging.meter.read
    )


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
