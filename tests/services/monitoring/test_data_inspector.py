import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import (
    DataState,
    Identity,
    Launch,
    LaunchId,
    ProcessState,
    Session,
    SessionId,
    Spec,
)
from openwa_manager.domain.session.stimuli import DataInspected, Observation
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import EngineContext
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.sessions.engine_inbox import RunningEngine
from tests.fakes.clock import FakeClock

PERIOD_S, SILENCE_S = 52.5, 60.0
NAME = SessionId("acme")
WHOLE = DataState(directory="1:10", databases={"openwa.sqlite": "1:12"})
GONE, EMPTIED = DataState(directory=None), DataState(directory="1:10", damaged=("openwa.sqlite",))
LAUNCH = Launch(
    launch_id=LaunchId("l"),
    number=1,
    port=1,
    secret="s",
    cause=ReasonCode.REQUESTED,
    launched_at=0.0,
    identity=Identity(boot_id="b", pid=1, started=1),
    data=WHOLE,
)


class FilelessEngine(CommandEngine):
    """An engine without files of its own."""

    def __init__(self) -> None:
        super().__init__(
            CommandSetup(
                argv=(),
                engine_context=EngineContext(environ={}, intake_url="http://localhost", proof=EngineListeners()),
            )
        )


class FilingEngine(FilelessEngine):
    """An engine whose files are what a test says; it keeps where it was asked to look."""

    def __init__(self) -> None:
        super().__init__()
        self.data = WHOLE
        self.is_stuck = False
        self.looks: list[Path] = []

    async def inspect_data(self, session: Session, directory: Path) -> DataState:
        del session
        if self.is_stuck:
            raise FilesStuckError("no answer")
        self.looks.append(directory)
        return self.data


@dataclass
class Inspected:
    """One engine, and what its supervisor was told."""

    clock: FakeClock = field(default_factory=FakeClock)
    engine: FilelessEngine = field(default_factory=FilingEngine)
    launch: Launch = LAUNCH
    told: list[Observation] = field(default_factory=list)
    inspector: DataInspector = field(init=False)

    def __post_init__(self) -> None:
        self.inspector = DataInspector(self.clock, PERIOD_S, self, lambda name: Path("/s") / name)

    @property
    def looks(self) -> list[Path]:
        assert isinstance(self.engine, FilingEngine)
        return self.engine.looks

    def running_launches(self) -> Mapping[SessionId, LaunchId]:
        return {NAME: self.launch.launch_id}

    def running_engine(self, session_id: SessionId) -> RunningEngine | None:
        return self.running if session_id == NAME else None

    @property
    def running(self) -> RunningEngine:
        session = Session(
            session_id=NAME,
            spec=Spec(engine="openwa"),
            engine_key="k",
            created_at=0.0,
            updated_at=0.0,
            process=ProcessState.RUNNING,
            launch=self.launch,
        )
        return RunningEngine(
            session=session,
            launch=self.launch,
            engine=self.engine,
            tell=lambda *observations: self.told.extend(observations),
            log_path=ForeignPath(root=Path("/s"), parts=("acme", "log")),
            has_heartbeat=False,
        )

    async def probes(self, count: int, *, was_answered: bool = True) -> None:
        for _ in range(count):
            await self.inspector.after_probe(self.running, was_answered=was_answered)
            await self.clock.advance(15.0)

    def lose_all(self) -> None:
        assert isinstance(self.engine, FilingEngine)
        self.engine.data = GONE


@pytest.fixture
def inspected() -> Inspected:
    return Inspected()


async def test_files_are_looked_at_with_every_fourth_probe(inspected: Inspected) -> None:
    await inspected.probes(9)

    assert inspected.looks == [Path("/s/acme")] * 3


async def test_a_probe_that_failed_is_followed_by_a_look(inspected: Inspected) -> None:
    await inspected.probes(1)

    await inspected.probes(2, was_answered=False)

    assert len(inspected.looks) == 3


@pytest.mark.parametrize("second", [WHOLE, EMPTIED])
async def test_a_database_that_seems_to_be_lost_is_looked_at_twice(inspected: Inspected, second: DataState) -> None:
    assert isinstance(inspected.engine, FilingEngine)
    inspected.engine.data = EMPTIED
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inspected.inspector.after_probe(inspected.running, was_answered=False))
        await inspected.clock.until_sleeping()
        assert (inspected.looks, inspected.told) == ([Path("/s/acme")], [])
        inspected.engine.data = second
        await inspected.clock.advance(1.0)

    told = [] if second == WHOLE else [DataInspected(launch_id=LAUNCH.launch_id, data=EMPTIED)]
    assert (len(inspected.looks), inspected.told) == (2, told)


async def test_another_launch_is_looked_at_anew(inspected: Inspected) -> None:
    await inspected.probes(1)

    inspected.launch = replace(LAUNCH, launch_id=LaunchId("m"), data=None)
    await inspected.probes(1)

    assert inspected.told == [DataInspected(launch_id=LaunchId("m"), data=WHOLE)]


async def test_the_supervisor_hears_only_of_what_has_changed(inspected: Inspected) -> None:
    await inspected.probes(4)
    assert inspected.told == []

    inspected.lose_all()
    await inspected.probes(1)

    assert inspected.told == [DataInspected(launch_id=LAUNCH.launch_id, data=GONE)]


async def test_the_first_send_after_a_silence_waits_for_a_look(inspected: Inspected) -> None:
    first = await inspected.inspector.before_send(NAME)
    inspected.lose_all()
    second = await inspected.inspector.before_send(NAME)
    await inspected.clock.advance(SILENCE_S)
    third = await inspected.inspector.before_send(NAME)

    assert (first, second, third) == (True, True, False)
    assert len(inspected.looks) == 2


async def test_a_send_through_no_running_engine_is_not_held_up(inspected: Inspected) -> None:
    assert await inspected.inspector.before_send(SessionId("other"))


async def test_an_engine_without_files_has_none_to_lose() -> None:
    inspected = Inspected(engine=FilelessEngine())

    await inspected.probes(5)

    assert inspected.told == []
    assert await inspected.inspector.before_send(NAME)


async def test_what_cannot_be_looked_at_is_not_lost(inspected: Inspected) -> None:
    assert isinstance(inspected.engine, FilingEngine)
    inspected.engine.is_stuck = True

    await inspected.probes(5)

    assert inspected.told == []
    assert await inspected.inspector.before_send(NAME)
