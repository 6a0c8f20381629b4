import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from openwa_manager.domain.session.session import Exit, Identity, LaunchId, SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes import signals, tree
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import is_alive, live_identity_of
from openwa_manager.processes.reading.table import CoalescedRead, read_processes, read_tagged_processes
from openwa_manager.processes.signals import send_by_pid, send_signal
from tests.fakes.clock import FakeClock
from tests.fakes.process import await_death, ending
from tests.processes.conftest import Stage

T = TypeVar("T")

#: Ends at SIGTERM with exit code 5, however patient the caller.
POLITE = "signal.signal(signal.SIGTERM, lambda *_: os._exit(5)); tell(os.getpid()); wait_for_ever()"

#: Tells of every SIGTERM and goes on.
DEAF = "signal.signal(signal.SIGTERM, lambda *_: tell()); tell(os.getpid()); wait_for_ever()"

#: Starts a sleeper the way daemons start: its own session, its parent gone at once, deaf to SIGTERM. Its arguments are
#: ours from argv[2] on; its environment is ours if argv[1] is "marked". The pipe is at its end once it is executed.
DOUBLE_FORK = """
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(writer, str(os.getpid()).encode())
    sleeper = [sys.executable, "-c", "import time; time.sleep(1000)", *sys.argv[2:]]
    os.execve(sys.executable, sleeper, dict(os.environ) if sys.argv[1] == "marked" else {})
os.close(writer)
os.wait()
tell(int(open(reader).read()))
"""


def alive(pid: int) -> Identity:
    identity = live_identity_of(pid)
    assert identity is not None
    return identity


async def test_a_polite_engine_ends_at_the_first_sigterm(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.python(POLITE))
    await stage.told()

    assert await launcher.end(stage.target(identity), 3600) == Exit(exit_code=5)
    assert not is_alive(identity)


async def test_a_deaf_engine_hears_sigterm_twice_and_is_then_killed(
    timeless: HostLauncher, clock: FakeClock, stage: Stage
) -> None:
    identity = await timeless.launch(stage.python(DEAF))
    await stage.told()

    async with asyncio.TaskGroup() as tasks:
        end = tasks.create_task(timeless.end(stage.target(identity), 10))
        await clock.until_sleeping()
        await stage.told()
        assert clock.deadlines == [1010]
        await clock.advance(10)
        await stage.told()
        assert clock.deadlines == [1013]
        await clock.advance(3)

    assert end.result() == Exit(signal=signal.SIGKILL)


async def test_a_stopped_engine_is_ended_too(timeless: HostLauncher, clock: FakeClock, stage: Stage) -> None:
    identity = await timeless.launch(stage.python(POLITE))
    await stage.told()
    os.kill(identity.pid, signal.SIGSTOP)

    async with asyncio.TaskGroup() as tasks:
        end = tasks.create_task(timeless.end(stage.target(identity), 10))
        await clock.until_sleeping()
        await clock.advance(13)

    assert end.result() == Exit(signal=signal.SIGKILL)


async def test_an_adopted_engine_is_ended_like_our_own(launcher: HostLauncher, stage: Stage) -> None:
    identity = stage.orphan(POLITE)
    await stage.told()

    assert await launcher.end(stage.target(identity), 3600) == Exit(exit_code=5)


async def test_ending_a_dead_engine_tells_how_it_died(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.plan("sh", "-c", "exit 6"))
    await launcher.wait(identity)

    assert await launcher.end(stage.target(identity), 3600) == Exit(exit_code=6)


async def test_an_engine_without_known_identity_is_ended_by_its_launch_id(launcher: HostLauncher, stage: Stage) -> None:
    identity = stage.orphan(POLITE)
    await stage.told()

    assert await launcher.end(stage.target(None), 3600) == Exit()
    assert not is_alive(identity)


async def test_a_grandchild_in_its_own_session_without_marks_dies_with_its_engine(
    launcher: HostLauncher, stage: Stage
) -> None:
    program = """
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", deaf], start_new_session=True, env={}, stdout=subprocess.PIPE)
child.stdout.readline()
tell(child.pid)
wait_for_ever()
"""
    identity = await launcher.launch(stage.python(program))
    grandchild = alive((await stage.told())[0])

    assert await launcher.end(stage.target(identity), 3600) == Exit(exit_code=0)

    assert not is_alive(grandchild)


async def test_a_double_forked_process_with_only_the_launch_id_is_swept(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.python(DOUBLE_FORK, "marked"))
    daemon = alive((await stage.told())[0])
    await launcher.wait(identity)

    assert await launcher.sweep(stage.target(identity)) == 1

    assert not is_alive(daemon)


async def test_a_double_forked_browser_with_only_its_profile_is_swept(launcher: HostLauncher, stage: Stage) -> None:
    profile = f"--user-data-dir={stage.directory}/data/profile"
    identity = await launcher.launch(stage.python(DOUBLE_FORK, "bare", profile))
    daemon = alive((await stage.told())[0])
    await launcher.wait(identity)

    assert await launcher.sweep(stage.target(identity)) == 1

    assert not is_alive(daemon)


async def test_the_sweep_takes_the_children_of_what_it_finds(launcher: HostLauncher, stage: Stage) -> None:
    program = "tell(subprocess.Popen(['sleep', '1000'], env={}, start_new_session=True).pid); wait_for_ever()"
    identity = stage.orphan(program)
    child = alive((await stage.told())[0])

    assert await launcher.sweep(stage.target(None)) == 2

    assert not is_alive(identity)
    assert not is_alive(child)


async def test_the_neighbours_browser_is_not_touched(launcher: HostLauncher, stage: Stage) -> None:
    neighbour = replace(
        stage,
        session_id=SessionId("user_10"),
        launch_id=LaunchId("other"),
        directory=stage.directory.parent / "user_10",
    )
    browser = neighbour.orphan(POLITE, f"--user-data-dir={neighbour.directory}/profile")
    await neighbour.told()

    assert await launcher.sweep(stage.target(None)) == 0

    assert is_alive(browser)
    assert await launcher.sweep(neighbour.target(None)) == 1


async def test_an_admin_who_reads_the_log_is_not_touched(launcher: HostLauncher, stage: Stage) -> None:
    log = stage.directory / "engine.log"
    log.touch()
    with ending(subprocess.Popen(["tail", "-f", str(log)], cwd=stage.directory)) as admin:
        assert await launcher.sweep(stage.target(None)) == 0

        assert admin.poll() is None
        admin.kill()


async def test_a_stranger_with_the_engines_pid_is_never_signalled(launcher: HostLauncher, stage: Stage) -> None:
    with ending(subprocess.Popen(["sleep", "1000"])) as stranger:
        real = alive(stranger.pid)
        engine = replace(real, started=real.started - 1)

        assert await launcher.end(stage.target(engine), 0) == Exit()

        assert not send_signal(engine, signal.SIGKILL)
        assert not send_by_pid(engine, signal.SIGKILL)
        assert is_alive(real)
        stranger.kill()


async def test_signals_reach_the_very_process_they_are_meant_for() -> None:
    for send in (signals.send_signal, signals.send_by_pid):
        with ending(subprocess.Popen(["sleep", "1000"])) as process:
            identity = alive(process.pid)

            assert send(identity, signal.SIGTERM)

        assert process.returncode == -signal.SIGTERM
        assert not send(identity, signal.SIGTERM)


async def test_a_zombie_takes_no_signal() -> None:
    process = subprocess.Popen(["sleep", "1000"])
    identity = alive(process.pid)
    process.send_signal(signal.SIGKILL)
    await_death(process.pid)

    assert not send_signal(identity, signal.SIGTERM)
    process.wait(10)


async def test_an_end_that_is_cancelled_can_be_asked_for_again(
    timeless: HostLauncher, clock: FakeClock, stage: Stage
) -> None:
    identity = await timeless.launch(stage.python(DEAF))
    await stage.told()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(timeless.end(stage.target(identity), 10))
        await clock.until_sleeping()
        first.cancel()
    assert is_alive(identity)
    assert clock.deadlines == []

    async with asyncio.TaskGroup() as tasks:
        again = tasks.create_task(timeless.end(stage.target(identity), 10))
        await clock.until_sleeping()
        await clock.advance(13)
    assert again.result() == Exit(signal=signal.SIGKILL)


async def test_many_engines_end_at_once(launcher: HostLauncher, stage: Stage, tmp_path: Path) -> None:
    stages = [replace(stage, session_id=SessionId(f"s{n}"), directory=tmp_path / f"s{n}") for n in range(20)]
    for number, each in enumerate(stages):
        each.launch_id = LaunchId(f"{stage.launch_id}-{number}")
    sleepers = [(each, await launcher.launch(each.plan("sleep", "1000"))) for each in stages]

    async with asyncio.TaskGroup() as tasks:
        ends = [tasks.create_task(launcher.end(each.target(identity), 3600)) for each, identity in sleepers]

    assert {end.result() for end in ends} == {Exit(signal=signal.SIGTERM)}


#: Ends the engine argv[1] as the user nobody.
UNPRIVILEGED = """
import asyncio, os, subprocess, structlog, sys, tempfile
from pathlib import Path
from openwa_manager.domain.ports import Target
from openwa_manager.host.clock import SystemClock
from openwa_manager.processes.exits import pidfd
from openwa_manager.processes.exits.exit_watcher import ExitWatcher, system_source
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import live_identity_of
from openwa_manager.processes.tree import TreeTerminator

async def end(pid):
    target = Target(session_id="s", launch_id="l", directory=Path("/nowhere"), identity=live_identity_of(pid))
    exits = ExitWatcher(clock, system_source())
    print(await TreeTerminator(exits, clock, lambda _: frozenset(), locks).end(target, 3600))

locks = SessionLocks(Path(tempfile.gettempdir()))  # one that both users may look at
clock = SystemClock()
rehearsal = subprocess.Popen(["sleep", "1000"])  # loads whatever the user nobody may not be able to read
asyncio.run(end(rehearsal.pid))
structlog.get_logger().warning("rehearsed")
rehearsal.returncode = 0
os.setuid(65534)
asyncio.run(end(int(sys.argv[1])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of two users")
async def test_a_descendant_of_another_user_does_not_hold_up_the_end(launcher: HostLauncher, stage: Stage) -> None:
    program = """
child = subprocess.Popen(["sleep", "1000"])
pipe = open(os.environ["TELL"], "w")  # as nobody it could not be opened
os.setuid(65534)
print(json.dumps([child.pid]), file=pipe, flush=True)
wait_for_ever()
"""
    identity = await launcher.launch(stage.python(program))
    child = alive((await stage.told())[0])

    command = [sys.executable, "-c", UNPRIVILEGED, str(identity.pid)]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True, timeout=30)

    assert "process_not_killed" in ended.stdout
    assert "signal=15" in ended.stdout
    assert is_alive(child)


class Slow:
    """A read that is slow, and counts how often it is made."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False

    def read(self) -> int:
        self.count += 1
        if self.fails:
            raise OSError("no more files")
        return self.count


async def test_callers_that_arrive_together_share_a_read() -> None:
    slow = Slow()
    shared = CoalescedRead(slow.read)

    async with asyncio.TaskGroup() as tasks:
        results = [tasks.create_task(shared.get()) for _ in range(100)]

    assert [result.result() for result in results] == [1, *[2] * 99]


async def test_a_later_caller_never_gets_an_older_result() -> None:
    shared = CoalescedRead(Slow().read)

    assert [await shared.get() for _ in range(3)] == [1, 2, 3]


async def test_a_failed_read_fails_its_caller_only() -> None:
    slow = Slow()
    shared = CoalescedRead(slow.read)
    slow.fails = True
    with pytest.raises(OSError, match="no more files"):
        await shared.get()

    slow.fails = False

    assert await shared.get() == 2


async def test_many_that_end_at_once_share_the_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count, scans = 50, list[str]()

    def counting(name: str, read: Callable[[], T]) -> Callable[[], T]:
        def counted() -> T:
            scans.append(name)
            return read()

        return counted

    monkeypatch.setattr(tree, "read_processes", counting("trees", read_processes))
    monkeypatch.setattr(tree, "read_tagged_processes", counting("leftovers", read_tagged_processes))
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), SystemClock(), EngineFiles())
    stages = [
        Stage(tmp_path / "sessions" / f"user_{number}", session_id=SessionId(f"user_{number}"))
        for number in range(count)
    ]
    try:
        targets = [each.target(await launcher.launch(each.plan("sleep", "1000"))) for each in stages]
        async with asyncio.TaskGroup() as tasks:
            ends = [tasks.create_task(launcher.end(each, 3600)) for each in targets]
    finally:
        launcher.close()
        for each in stages:
            for ear in each.ears:
                os.close(ear)

    assert {each.result() for each in ends} == {Exit(signal=signal.SIGTERM)}
    assert scans.count("trees") <= 2
    assert scans.count("leftovers") <= count // 2
