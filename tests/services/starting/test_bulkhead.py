"""A supervisor that fails again and again is started over ever more rarely, and its engine is ended without it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import LaunchPlan
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, After, Ending, ProcessState, Session
from openwa_manager.domain.session.stimuli import EngineEnded, Observation, Resumed, SupervisionFailed
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.services.changes import Changes
from openwa_manager.services.host_state import HostState
from openwa_manager.services.starting.bulkhead import keep_running
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.store.database import Database
from tests.domain.session.driver import AT, a_launch, a_session
from tests.fakes.clock import FakeClock


@dataclass
class FailingSupervisor:
    """Fails each time it runs, so many times; after that its session is gone."""

    session: Session
    failures_left: int
    is_gone: bool = False
    told: list[Observation] = field(default_factory=list)

    async def run(self) -> None:
        if not self.failures_left:
            self.is_gone = True
            return
        self.failures_left -= 1
        raise ZeroDivisionError

    def rebuild(self, session: Session) -> None:
        self.session = session

    def tell(self, *observations: Observation) -> None:
        self.told += observations


@pytest.fixture
async def dependencies(tmp_path: Path) -> AsyncIterator[Dependencies]:
    clock = FakeClock()
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), clock, EngineFiles())
    async with Database(tmp_path / "manager.db") as database:
        yield Dependencies(
            clock=clock,
            chance=lambda: 0.5,
            database=database,
            launcher=launcher,
            engines={},
            gate=StartGate(clock, 1, 0.0, lambda: None),
            ports=PortPool(28100, 28109),
            sockets=EngineSockets(tmp_path / "e"),
            policy=Policy(),
            sessions_root=tmp_path / "sessions",
            logs_root=None,
            stop_grace_s=60.0,
            files=EngineFiles(),
            changes=Changes(),
            host_state=HostState(clock),
        )
    launcher.close()


@pytest.fixture
async def running(dependencies: Dependencies, tmp_path: Path) -> AsyncIterator[Session]:
    """Give a session whose engine runs, holding its lock."""
    session, launch = a_session(), a_launch(1, AT, ReasonCode.REQUESTED)
    directory = tmp_path / "sessions" / session.session_id
    directory.mkdir(parents=True)
    plan = LaunchPlan(
        session_id=session.session_id,
        launch_id=launch.launch_id,
        argv=("sleep", "60"),
        env={**os.environ, LAUNCH_ID_VARIABLE: launch.launch_id},
        cwd=directory,
        log_path=of_session(tmp_path / "engine.log"),
    )
    identity = await dependencies.launcher.launch(plan)
    launch = replace(launch, identity=identity)
    yield replace(session, process=ProcessState.RUNNING, launch=launch, launch_count=1)
    with suppress(ProcessLookupError):
        os.kill(identity.pid, signal.SIGKILL)


@pytest.fixture
def stopping(running: Session) -> Session:
    ending = Ending(after=After.STAY_STOPPED, cause=ReasonCode.REQUESTED)
    return replace(running, process=ProcessState.STOPPING, ending=ending)


def is_running(session: Session, dependencies: Dependencies) -> bool:
    assert session.launch is not None
    assert session.launch.identity is not None
    return dependencies.launcher.is_alive(session.launch.identity)


async def pauses_of(supervisor: FailingSupervisor, dependencies: Dependencies) -> list[float]:
    """Run it until its session is gone; return how long it rested after each failure."""
    clock = dependencies.clock
    assert isinstance(clock, FakeClock)
    pauses: list[float] = []
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(keep_running(supervisor, dependencies))
        for _ in range(supervisor.failures_left):
            await clock.until_sleeping()
            pauses.append(clock.deadlines[0] - clock.now().boot_s)
            await clock.advance(pauses[-1])
        await running
    return pauses


async def test_the_third_failure_while_stopping_ends_the_engine_without_the_supervisor(
    dependencies: Dependencies, stopping: Session
) -> None:
    supervisor = FailingSupervisor(stopping, failures_left=3)

    await pauses_of(supervisor, dependencies)

    assert [type(each) for each in supervisor.told] == [Resumed, Resumed, EngineEnded]
    assert not is_running(stopping, dependencies)


async def test_the_third_failure_while_running_has_the_engine_ended_by_a_decision(
    dependencies: Dependencies, running: Session
) -> None:
    supervisor = FailingSupervisor(running, failures_left=3)

    await pauses_of(supervisor, dependencies)

    assert [type(each) for each in supervisor.told] == [Resumed, Resumed, Resumed, SupervisionFailed]
    assert is_running(running, dependencies)


async def test_a_supervisor_that_goes_on_failing_is_started_over_ever_more_rarely(dependencies: Dependencies) -> None:
    supervisor = FailingSupervisor(a_session(), failures_left=9)

    pauses = await pauses_of(supervisor, dependencies)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert supervisor.told == []  # one that rests must not be started by our own bug


async def test_failures_of_long_ago_do_not_count(dependencies: Dependencies) -> None:
    supervisor = FailingSupervisor(a_session(), failures_left=1)
    clock = dependencies.clock
    assert isinstance(clock, FakeClock)
    await pauses_of(supervisor, dependencies)
    await clock.advance(600.0)
    supervisor.is_gone, supervisor.failures_left = False, 1

    assert await pauses_of(supervisor, dependencies) == [1.0]
