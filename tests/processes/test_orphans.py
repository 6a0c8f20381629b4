"""What an engine leaves comes to us: it ends with its engine, and is reaped."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("only Linux hands orphans on", allow_module_level=True)

from openwa_manager.domain.session.session import Identity, LaunchId, SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes import marks, orphans, tree
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import identity_of, is_alive, live_identity_of
from openwa_manager.processes.reading.table import ProcessTable, read_processes
from openwa_manager.processes.signals import send_signal
from tests.fakes.process import await_death
from tests.processes.conftest import Stage

#: Leaves a sleeper behind that has forked twice and cleaned its environment: in its engine's session, or in its own.
LEAVE = """
reader, writer = os.pipe()
if os.fork() == 0:
    if sys.argv[1] == "apart":
        os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    os.write(writer, str(os.getpid()).encode())
    os.execve(sys.executable, [sys.executable, "-c", sys.argv[2]], {})
os.close(writer)
os.wait()
tell(int(open(reader).read()))
wait_for_ever()
"""
SLEEP = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"


@pytest.fixture
def adopting() -> Iterator[None]:
    orphans.adopt_orphans()
    yield
    ctypes.CDLL(None).prctl(36, *map(ctypes.c_ulong, (0, 0, 0, 0)))


@pytest.fixture
async def running(launcher: HostLauncher, adopting: None) -> AsyncIterator[HostLauncher]:
    """Run the launcher's watch, as the daemon does."""
    del adopting
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(launcher.run())
        yield launcher
        watch.cancel()


async def left_by(launcher: HostLauncher, stage: Stage, place: str, program: str = SLEEP) -> tuple[Identity, Identity]:
    """Return an engine and what it has left."""
    engine = await launcher.launch(stage.python(LEAVE, place, program))
    left = live_identity_of((await stage.told())[0])
    assert left is not None
    return engine, left


@pytest.mark.parametrize("place", ["inside", "apart"])
async def test_what_forked_twice_and_cleaned_its_environment_ends_with_its_engine(
    running: HostLauncher, stage: Stage, place: str
) -> None:
    engine, left = await left_by(running, stage, place)

    await running.end(stage.target(engine), 0)

    assert not is_alive(left)


@pytest.mark.parametrize("place", ["inside", "apart"])
async def test_what_a_crashed_engine_left_is_swept(running: HostLauncher, stage: Stage, place: str) -> None:
    engine, left = await left_by(running, stage, place)
    os.kill(engine.pid, signal.SIGKILL)
    await running.wait(engine)

    await running.sweep(stage.target(engine))

    assert not is_alive(left)


async def test_what_an_engine_of_an_earlier_daemon_left_is_found_by_its_mark(
    launcher: HostLauncher, stage: Stage
) -> None:
    """Nothing is handed on to us here, as it is not to a daemon that started after the engine."""
    engine, left = await left_by(launcher, stage, "apart")

    await launcher.end(stage.target(engine), 0)

    assert not is_alive(left)


LOWER = "import resource; resource.prlimit(0, 15, (7, 7)); import time; time.sleep(1000)"


async def test_what_lowered_its_mark_is_nobodys_known_and_ends_with_the_first(
    running: HostLauncher, stage: Stage
) -> None:
    other = neighbour_of(stage)
    engine = await running.launch(other.python("tell(os.getpid()); wait_for_ever()"))
    await other.told()
    first, left = await left_by(running, stage, "apart", LOWER)
    async with asyncio.timeout(20):
        while marks.read(left.pid) != 7:  # noqa: ASYNC110 (until then it is on its way; nobody tells)
            await asyncio.sleep(0)

    await running.end(other.target(engine), 0)

    assert not is_alive(left)
    await running.end(stage.target(first), 0)


def neighbour_of(stage: Stage) -> Stage:
    directory = stage.directory.parent / "user_2"
    return Stage(directory, session_id=SessionId("user_2"), ears=stage.ears)


async def test_what_a_living_engine_left_in_its_session_stays_when_another_ends(
    running: HostLauncher, stage: Stage
) -> None:
    other = neighbour_of(stage)
    engine = await running.launch(other.python("tell(os.getpid()); wait_for_ever()"))
    await other.told()
    first, left = await left_by(running, stage, "inside")

    await running.end(other.target(engine), 0)

    assert is_alive(left)
    await running.end(stage.target(first), 0)
    assert not is_alive(left)


async def test_what_was_measured_with_a_living_engine_stays_when_another_ends(
    tmp_path: Path, stage: Stage, adopting: None
) -> None:
    del adopting
    measured: dict[Identity, frozenset[Identity]] = {}
    launcher = HostLauncher(
        SessionLocks(tmp_path / "locks"), SystemClock(), EngineFiles(), lambda engine: measured.get(engine, frozenset())
    )
    other = neighbour_of(stage)
    engine = await launcher.launch(other.python("tell(os.getpid()); wait_for_ever()"))
    await other.told()
    first, left = await left_by(launcher, stage, "apart")
    measured[first] = frozenset({left})

    await launcher.end(other.target(engine), 0)

    assert is_alive(left)
    await launcher.end(stage.target(first), 0)
    launcher.close()


async def test_a_helper_of_our_own_is_nobodys_orphan(running: HostLauncher, stage: Stage) -> None:
    helper = subprocess.Popen(["sleep", "1000"], env={})
    engine, _ = await left_by(running, stage, "apart")

    await running.end(stage.target(engine), 0)

    assert helper.poll() is None
    helper.kill()
    helper.wait(20)


async def test_an_orphan_that_ends_is_reaped_at_once(running: HostLauncher, stage: Stage) -> None:
    engine, left = await left_by(running, stage, "apart")

    os.kill(left.pid, signal.SIGKILL)

    async with asyncio.timeout(20):
        while identity_of(left.pid) == left:  # noqa: ASYNC110 (until then it is a zombie; that it is none tells nobody)
            await asyncio.sleep(0)
    await running.end(stage.target(engine), 0)


async def test_an_orphan_is_reaped_though_a_helper_of_ours_has_not_been_yet(
    running: HostLauncher, stage: Stage
) -> None:
    helper = subprocess.Popen(["true"])
    await_death(helper.pid)
    engine, left = await left_by(running, stage, "apart")

    os.kill(left.pid, signal.SIGKILL)
    await_death(left.pid)
    orphans.reap(lambda _: False)

    assert identity_of(left.pid) != left
    assert helper.wait(20) == 0
    await running.end(stage.target(engine), 0)


async def test_the_end_of_an_engine_is_known_though_orphans_are_reaped(running: HostLauncher, stage: Stage) -> None:
    engine, left = await left_by(running, stage, "apart")
    os.kill(left.pid, signal.SIGKILL)
    os.kill(engine.pid, signal.SIGKILL)

    assert (await running.wait(engine)).signal == signal.SIGKILL


async def test_a_dead_leaders_number_names_nobodys_session(stage: Stage, launcher: HostLauncher) -> None:
    engine = await launcher.launch(stage.python("tell(os.getpid()); wait_for_ever()"))
    await stage.told()
    table = ProcessTable(read_processes())

    assert [process.identity for process in table.in_session(engine)] == [engine]
    assert table.in_session(replace(engine, started=engine.started + 1)) == []


async def test_of_an_engine_that_ended_alone_is_known_that_it_left_nothing(running: HostLauncher, stage: Stage) -> None:
    other = neighbour_of(stage)
    neighbour = await running.launch(other.python("tell(os.getpid()); wait_for_ever()"))
    engine = await running.launch(stage.python("tell(os.getpid()); wait_for_ever()"))
    await stage.told()
    os.kill(engine.pid, signal.SIGKILL)
    await running.wait(engine)

    assert running.left_nothing(stage.session_id, engine)
    assert not running.left_nothing(stage.session_id, engine)  # it may have begun another since
    await running.end(other.target(neighbour), 0)


@pytest.mark.parametrize("is_asked", [True, False])
async def test_nothing_is_kept_of_an_engine_that_is_over(running: HostLauncher, stage: Stage, is_asked: bool) -> None:
    engine = await running.launch(stage.plan("sleep", "1000"))

    if is_asked:
        await running.end(stage.target(engine), 20)
    else:
        os.kill(engine.pid, signal.SIGKILL)
        await running.wait(engine)
        await running.sweep(stage.target(engine))

    assert not running.left_nothing(stage.session_id, engine)


@pytest.mark.parametrize("place", ["inside", "apart"])
async def test_of_an_engine_that_left_something_that_is_not_said(
    running: HostLauncher, stage: Stage, place: str
) -> None:
    engine, _ = await left_by(running, stage, place)
    os.kill(engine.pid, signal.SIGKILL)
    await running.wait(engine)

    assert not running.left_nothing(stage.session_id, engine)
    await running.sweep(stage.target(engine))


async def test_of_an_engine_of_another_daemon_that_is_not_said(running: HostLauncher, stage: Stage) -> None:
    engine = stage.orphan("wait_for_ever()")
    os.kill(engine.pid, signal.SIGKILL)
    await running.wait(engine)

    assert not running.left_nothing(stage.session_id, engine)


async def test_where_orphans_come_to_others_that_is_not_said(launcher: HostLauncher, stage: Stage) -> None:
    engine = await launcher.launch(stage.python("tell(os.getpid()); wait_for_ever()"))
    await stage.told()
    os.kill(engine.pid, signal.SIGKILL)
    await launcher.wait(engine)

    assert not launcher.left_nothing(stage.session_id, engine)


async def test_engines_that_end_together_are_taken_for_no_orphans_of_each_other(
    running: HostLauncher, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Identity] = []

    def send(identity: Identity, number: signal.Signals) -> bool:
        sent.append(identity)
        return send_signal(identity, number)

    monkeypatch.setattr(tree, "send_signal", send)
    names = [f"together_{number}" for number in range(5)]
    stages = [Stage(stage.directory.parent / name, SessionId(name), LaunchId(name), stage.ears) for name in names]
    engines = [await running.launch(each.plan("sleep", "1000")) for each in stages]

    async with asyncio.TaskGroup() as ending:
        for each, engine in zip(stages, engines, strict=True):
            ending.create_task(running.end(each.target(engine), 20))

    assert sorted(each.pid for each in sent) == sorted(each.pid for each in engines)
