"""Sessions of which all builds are the simulator, and what moves them from one to another."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.builds.builds import Build, BuildName, BuildState
from openwa_manager.domain.builds.rollouts import MoveState, Rollout, build_of
from openwa_manager.domain.session.session import LaunchId, SessionId, Status
from openwa_manager.engines.registry import OPENWA
from openwa_manager.services.builds.removal import BuildRemoval
from openwa_manager.services.builds.rollouts import Rollouts
from openwa_manager.services.sessions.new_session import NewSession
from tests.api.world import World, world_in
from tests.fakes.polling import until

NEW, OTHER = BuildName("0.23.1"), BuildName("0.23.0")


@dataclass(frozen=True, slots=True)
class Bench:
    """A world with two builds; its roll-outs are carried out."""

    world: World

    @property
    def rollouts(self) -> Rollouts:
        return self.world.builds.rollouts

    @property
    def removal(self) -> BuildRemoval:
        return self.world.builds.removal

    async def connect(self, *session_ids: str) -> None:
        for each in session_ids:
            await self.world.requests.create(NewSession(session_id=each, engine=OPENWA))
            await self.until_status(each, Status.QR_READY)
            await self.world.play(each, "scan")
            await self.until_status(each, Status.CONNECTED)

    async def until_status(self, session_id: str, status: Status) -> None:
        await until(lambda: self.world.sessions.get(session_id).status is status)

    async def crash(self, session_id: str) -> None:
        """End a session's engine by force."""
        pid = self.world.sessions.get(session_id).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: self.world.sessions.get(session_id).restarts.streak)

    def launch_of(self, session_id: str) -> LaunchId | None:
        launch = self.world.sessions.get(session_id).launch
        return None if launch is None else launch.launch_id

    def builds(self) -> dict[str, str | None]:
        """Return which build each session's engine runs; None: it has none."""
        return {each.session_id: build_of(each) for each in self.world.sessions.list_sessions()}

    def moves(self, rollout: Rollout) -> dict[str, MoveState]:
        return {each.session_id: each.state for each in self.rollouts.get(rollout.rollout_id).moves}

    async def newest(self) -> Rollout:
        """Return the roll-out that was begun last, once it is recorded."""
        await until(lambda: self.rollouts.newest() is not None)
        newest = self.rollouts.newest()
        assert newest is not None
        return newest

    async def until_moved(self, rollout: Rollout, session_id: str) -> None:
        await until(lambda: self.moves(rollout)[SessionId(session_id)] is MoveState.MOVED, within_s=30)

    async def until_over(self, rollout: Rollout) -> Rollout:
        await until(lambda: self.rollouts.get(rollout.rollout_id).is_over, within_s=60)
        return self.rollouts.get(rollout.rollout_id)


@pytest.fixture
async def bench(tmp_path: Path, aiohttp_client: AiohttpClient) -> AsyncIterator[Bench]:
    async with world_in(tmp_path, aiohttp_client) as world:
        for name in (NEW, OTHER):
            await world.builds.catalog.save(
                Build(name=name, state=BuildState.READY, source="x", install_id=LaunchId(name), created_at=1.0)
            )
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(world.builds.rollouts.run())
            yield Bench(world)
            running.cancel()
