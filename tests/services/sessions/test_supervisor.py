"""Whoever asks a supervisor gets an answer, whatever becomes of the supervisor."""

import asyncio
import errno
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import DrainingError, SessionNotFoundError, StorageFullError
from openwa_manager.domain.session.commands import RemoveQr, Spawn
from openwa_manager.domain.session.decisions import Decisions
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import LaunchId, LinkState, ProcessState, Session, SessionId
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    DeleteRequested,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    Resumed,
    StartRequested,
    StopRequested,
)
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import EngineContext
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.services.changes import Changes
from openwa_manager.services.host_state import HostState
from openwa_manager.services.sessions.executor import Executor
from openwa_manager.services.sessions.recorder import Recorder
from openwa_manager.services.sessions.supervisor import Supervisor
from openwa_manager.services.starting.bulkhead import keep_running
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.store.database import Database
from openwa_manager.store.sessions import registry
from tests.domain.session.driver import AT, a_launch, a_session, an_identity
from tests.fakes.clock import FakeClock
from tests.fakes.polling import PATIENCE_S, until


@dataclass
class Dice:
    """What draws the chances, with a bug in it for so many draws."""

    bugs_left: int = 0

    def draw(self) -> float:
        if self.bugs_left:
            self.bugs_left -= 1
            raise ZeroDivisionError
        return 0.5


@dataclass
class Bench:
    """A supervisor at work in its bulkhead."""

    dependencies: Dependencies
    clock: FakeClock
    dice: Dice
    group: asyncio.TaskGroup

    def __post_init__(self) -> None:
        self._begin(Supervisor.of_new_session(a_session(), self.dependencies))

    def take_over(self, session: Session) -> None:
        """Have another supervisor at work, for this session."""
        self.running.cancel()
        self._begin(Supervisor(session, self.dependencies))

    def _begin(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.running = self.group.create_task(keep_running(supervisor, self.dependencies))


@asynccontextmanager
async def a_bench(
    directory: Path, slot_count: int, argv: Sequence[str] = ("/no/such/program",)
) -> AsyncIterator[Bench]:
    clock, dice = FakeClock(), Dice()
    launcher = HostLauncher(SessionLocks(directory / "locks"), clock, EngineFiles())
    context = EngineContext(environ={}, intake_url="http://localhost", proof=EngineListeners())
    async with Database(directory / "manager.db") as database, asyncio.TaskGroup() as group:
        dependencies = Dependencies(
            clock=clock,
            chance=dice.draw,
            database=database,
            launcher=launcher,
            engines={"openwa": CommandEngine(CommandSetup(argv=tuple(argv), engine_context=context))},
            gate=StartGate(clock, slot_count, 0.0, lambda: None),
            ports=PortPool(28100, 28109),
            sockets=EngineSockets(directory / "e"),
            policy=Policy(),
            sessions_root=directory / "sessions",
            logs_root=None,
            stop_grace_s=1.0,
            files=EngineFiles(),
            changes=Changes(),
            host_state=HostState(clock),
        )
        built = Bench(dependencies, clock, dice, group)
        yield built
        built.running.cancel()
    launcher.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with a_bench(tmp_path, slot_count=0) as built:
        yield built


async def test_who_asked_a_supervisor_that_failed_over_it_is_told_so(bench: Bench) -> None:
    bench.dice.bugs_left = 1

    with pytest.raises(DrainingError):
        await bench.supervisor.ask(StartRequested())


async def test_a_supervisor_that_was_started_over_does_what_it_is_asked(bench: Bench) -> None:
    await bench.supervisor.hear(())
    bench.dice.bugs_left = 1
    with pytest.raises(DrainingError):
        await bench.supervisor.ask(StartRequested())
    await bench.clock.until_sleeping()
    await bench.clock.advance(1.0)

    session = await bench.supervisor.ask(StartRequested())

    assert session.process is ProcessState.STARTING


async def test_a_takeover_is_over_for_its_caller_even_if_the_supervisor_failed_over_it(bench: Bench) -> None:
    await bench.supervisor.hear(())
    bench.dice.bugs_left = 1

    session = await bench.supervisor.hear((Resumed(is_alive=False),))

    assert session.process is ProcessState.STOPPED


async def test_who_asks_when_the_daemon_is_stopping_is_told_so(bench: Bench) -> None:
    await bench.supervisor.hear(())
    told: list[DrainingError] = []

    async def ask() -> None:
        try:
            await bench.supervisor.ask(StopRequested())
        except DrainingError as error:
            told.append(error)

    asking = bench.group.create_task(ask())
    await asyncio.sleep(0)
    bench.running.cancel()
    await asking

    assert len(told) == 1


async def test_who_asks_a_session_that_is_gone_is_told_so(bench: Bench) -> None:
    await bench.supervisor.ask(DeleteRequested(keep_data=True))
    await bench.running

    with pytest.raises(SessionNotFoundError):
        await bench.supervisor.ask(StopRequested())


async def test_a_repeat_does_not_take_back_that_nobody_is_blamed_for_the_hosts_sleep(bench: Bench) -> None:
    launch = replace(a_launch(1, AT, ReasonCode.REQUESTED), identity=an_identity())
    linking = replace(a_session(), process=ProcessState.RUNNING, link=LinkState.AUTHENTICATING, launch=launch)
    bench.take_over(linking)
    seen = MessageAcknowledged(launch_id=launch.launch_id, message_id="m", fate="sent")
    await bench.supervisor.hear((seen,), "once")
    await bench.clock.advance(Policy().link.authenticating_s - 1.0)

    bench.dependencies.host_state.note_wake()
    await bench.supervisor.hear((seen,), "once")
    await bench.clock.advance(2.0)
    session = await bench.supervisor.hear(())

    assert session.process is ProcessState.RUNNING


def a_connected() -> tuple[Session, LaunchId]:
    launch = replace(a_launch(1, AT, ReasonCode.REQUESTED), identity=an_identity())
    linked = replace(a_session(), process=ProcessState.RUNNING, link=LinkState.CONNECTED, launch=launch)
    return linked, launch.launch_id


async def test_an_answer_of_an_engine_to_which_all_is_well_takes_no_round_of_its_own(bench: Bench) -> None:
    linked, launch_id = a_connected()
    bench.take_over(linked)
    await bench.supervisor.hear(())
    commit_count = bench.dependencies.database.commit_times.count
    await bench.clock.advance(5.0)

    bench.supervisor.tell(
        ActivitySeen(launch_id=launch_id), LinkReported(launch_id=launch_id, link=LinkReport.CONNECTED)
    )

    at_once = bench.supervisor.session
    assert at_once == replace(linked, last_seen_at=bench.clock.now().at)
    assert await bench.supervisor.hear(()) is at_once
    assert bench.dependencies.database.commit_times.count == commit_count


async def test_a_sign_of_life_waits_for_what_came_before_it(bench: Bench) -> None:
    linked, launch_id = a_connected()
    bench.take_over(linked)
    await bench.supervisor.hear(())

    bench.supervisor.tell()
    bench.supervisor.tell(ActivitySeen(launch_id=launch_id))

    assert bench.supervisor.session is linked
    assert (await bench.supervisor.hear(())).last_seen_at == bench.clock.now().at


async def test_an_answer_that_tells_of_more_than_life_is_recorded(bench: Bench) -> None:
    linked, launch_id = a_connected()
    bench.take_over(linked)
    await bench.supervisor.hear(())

    bench.supervisor.tell(
        ActivitySeen(launch_id=launch_id), LinkReported(launch_id=launch_id, link=LinkReport.DISCONNECTED)
    )

    assert bench.supervisor.session is linked
    session = await bench.supervisor.hear(())
    assert session.link is LinkState.DISCONNECTED
    assert session.last_seen_at == bench.clock.now().at


async def test_a_bug_over_a_sign_of_life_is_not_met_by_who_tells_of_it(bench: Bench) -> None:
    linked, launch_id = a_connected()
    bench.take_over(linked)
    await bench.supervisor.hear(())
    bench.dice.bugs_left = 1

    bench.supervisor.tell(ActivitySeen(launch_id=launch_id))

    assert (await bench.supervisor.hear(())).last_seen_at == bench.clock.now().at


async def test_of_a_directory_that_was_moved_and_linked_the_link_is_deleted(bench: Bench, tmp_path: Path) -> None:
    await bench.supervisor.hear(())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    place = bench.dependencies.directory(bench.supervisor.session.session_id)
    place.parent.mkdir()
    place.symlink_to(elsewhere)

    await bench.supervisor.ask(DeleteRequested())
    await bench.supervisor.until(lambda _: False)

    assert not place.is_symlink()
    assert (elsewhere / "kept").exists()


async def test_a_file_in_a_directorys_place_does_not_keep_its_session_from_being_deleted(bench: Bench) -> None:
    await bench.supervisor.hear(())
    place = bench.dependencies.directory(bench.supervisor.session.session_id)
    place.parent.mkdir()
    place.touch()

    await bench.supervisor.ask(DeleteRequested())
    await bench.supervisor.until(lambda _: False)

    assert not place.exists()


async def test_a_launch_for_which_a_slot_is_free_is_recorded_with_what_asked_for_it(tmp_path: Path) -> None:
    async with a_bench(tmp_path, slot_count=1) as bench:
        session = await bench.supervisor.ask(StartRequested())

    assert session.launch is not None
    assert session.launch_count == 1


async def test_a_launch_that_the_disk_has_no_room_for_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_bench(tmp_path, slot_count=1) as bench:
        await bench.supervisor.hear(())

        async def refuse(*_: object, **__: object) -> None:
            raise StorageFullError("no room")

        monkeypatch.setattr(bench.dependencies.database, "write", refuse)
        with pytest.raises(StorageFullError):
            await bench.supervisor.ask(StartRequested())

        assert bench.supervisor.session.process is ProcessState.STOPPED
        assert bench.dependencies.gate.seize(SessionId("other"))


async def test_a_deleted_session_is_gone_once_that_is_on_disk_and_not_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.supervisor.hear(())
    database, tries = bench.dependencies.database, asyncio.Semaphore(0)

    async def refuse(*_: object, **__: object) -> None:
        tries.release()
        raise StorageFullError("no room")

    with monkeypatch.context() as full:
        full.setattr(database, "write", refuse)
        await bench.supervisor.ask(DeleteRequested(keep_data=False))
        for _ in range(2):  # of the request, and of the end
            await tries.acquire()
        await bench.clock.until_sleeping(1)
        assert not bench.supervisor.is_gone

    await bench.clock.advance(20.0)

    await bench.supervisor.until(lambda _: False)
    assert await database.read(registry.load_sessions) == []


async def test_a_creation_and_a_stop_take_two_commits_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[tuple[ProcessState, bool]] = []
    record = Recorder.record

    async def note(recorder: Recorder, batch: Decisions, keys: Sequence[str]) -> list[StoredEvent]:
        recorded.append((batch.session.process, batch.session.pid is not None))
        return await record(recorder, batch, keys)

    monkeypatch.setattr(Recorder, "record", note)
    async with a_bench(tmp_path, slot_count=1, argv=("/bin/sleep", "1000")) as bench:
        await bench.supervisor.ask(StartRequested())
        await bench.supervisor.until_launched(PATIENCE_S)
        await bench.supervisor.until(lambda session: session.process is ProcessState.RUNNING)
        created = [*recorded]
        await bench.supervisor.ask(StopRequested())
        await bench.supervisor.until(lambda session: session.process is ProcessState.STOPPED)

    assert created == [(ProcessState.STARTING, False), (ProcessState.RUNNING, True)]
    assert recorded[len(created) :] == [(ProcessState.STOPPING, True), (ProcessState.STOPPED, False)]


async def test_an_old_code_is_removed_also_while_a_launch_waits_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = a_launch(1, AT, ReasonCode.REQUESTED)
    session = replace(a_session(), process=ProcessState.STARTING, launch=launch)

    async def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    async with a_bench(tmp_path, slot_count=1, argv=("/bin/sleep", "1000")) as bench:
        monkeypatch.setattr(bench.dependencies.launcher, "launch", fail)
        code = bench.dependencies.directory(session.session_id) / "qr.png"
        code.parent.mkdir(parents=True)
        code.write_bytes(b"of the launch before")
        executor = Executor(bench.dependencies, bench.supervisor, lambda: session)

        async def launch_it() -> None:
            async with asyncio.TaskGroup() as tasks:
                executor.run((RemoveQr(), Spawn(launch=launch)), tasks)

        launching = bench.group.create_task(launch_it())
        await until(lambda: not code.exists())
        launching.cancel()
