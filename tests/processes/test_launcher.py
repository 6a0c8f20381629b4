import asyncio
import errno
import fcntl
import os
import signal
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.errors import LaunchFailedError, OwnedElsewhereError
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import Launcher
from openwa_manager.domain.session.session import Exit, LaunchId, SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks, reserve_lock_fd
from openwa_manager.processes.reading import places
from openwa_manager.processes.reading.identity import environment_of, live_identity_of
from tests.fakes.clock import FakeClock
from tests.fakes.platforms import linux_only
from tests.processes.conftest import Stage

SLEEPER = "tell(os.getpid()); wait_for_ever()"


async def test_a_launched_engine_is_alive_under_its_identity(launcher: HostLauncher, stage: Stage) -> None:
    port: Launcher = launcher

    identity = await port.launch(stage.python(SLEEPER))

    assert await stage.told() == [identity.pid]
    assert port.is_alive(identity)
    assert not port.is_alive(replace(identity, started=identity.started - 1))


async def test_an_engine_leads_a_session_of_its_own_in_its_directory(launcher: HostLauncher, stage: Stage) -> None:
    program = "os.mkdir('here'); tell(os.getsid(0)); wait_for_ever()"

    identity = await launcher.launch(stage.python(program))

    assert await stage.told() == [identity.pid]
    assert (stage.directory / "here").is_dir()


async def test_an_engine_gets_exactly_the_environment_of_the_plan(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.python(SLEEPER))

    await stage.told()
    assert environment_of(identity) == stage.env


async def test_of_a_dead_process_there_is_no_environment(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.plan("true"))
    await launcher.wait(identity)

    assert environment_of(identity) == {}


async def test_output_is_appended_to_a_log_only_the_owner_reads(launcher: HostLauncher, stage: Stage) -> None:
    plan = stage.plan("sh", "-c", "echo out; echo err >&2")

    for _ in range(2):
        await launcher.wait(await launcher.launch(plan))

    assert plan.log_path.path.read_text() == "out\nerr\nout\nerr\n"
    assert stat.S_IMODE(plan.log_path.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(plan.log_path.parent.path.stat().st_mode) == 0o700


async def test_what_an_engine_writes_is_its_owners_alone(launcher: HostLauncher, stage: Stage) -> None:
    await launcher.wait(await launcher.launch(stage.plan("touch", "written")))

    assert stat.S_IMODE((stage.directory / "written").stat().st_mode) == 0o600


async def test_an_engine_reads_nothing_from_its_standard_input(launcher: HostLauncher, stage: Stage) -> None:
    identity = await launcher.launch(stage.plan("sh", "-c", "read line || exit 7"))

    assert await launcher.wait(identity) == Exit(exit_code=7)


async def test_the_lock_is_held_as_long_as_the_engine_lives(launcher: HostLauncher, stage: Stage) -> None:
    assert not launcher._locks.is_held(stage.session_id)

    identity = await launcher.launch(stage.python(SLEEPER))

    assert launcher._locks.is_held(stage.session_id)
    assert not launcher._locks.is_held(SessionId("user_2"))
    os.kill(identity.pid, signal.SIGKILL)
    await launcher.wait(identity)
    assert not launcher._locks.is_held(stage.session_id)


async def test_the_lock_outlives_the_launcher(tmp_path: Path, stage: Stage) -> None:
    first = HostLauncher(SessionLocks(tmp_path / "locks"), FakeClock(), EngineFiles())
    await first.launch(stage.python(SLEEPER))
    first.close()

    second = HostLauncher(SessionLocks(tmp_path / "locks"), FakeClock(), EngineFiles())

    assert second._locks.is_held(stage.session_id)
    second.close()


async def test_two_who_only_look_at_a_lock_do_not_disturb_each_other(launcher: HostLauncher, stage: Stage) -> None:
    await launcher.wait(await launcher.launch(stage.plan("true")))

    with (stage.directory.parent.parent / "locks" / "user_1").open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)

        assert not launcher._locks.is_held(stage.session_id)


@linux_only("reads /proc")
async def test_node_does_not_hand_the_lock_to_its_children(
    launcher: HostLauncher, stage: Stage, tmp_path: Path
) -> None:
    program = "import json, os; open(os.environ['TELL'], 'w').write(json.dumps(os.listdir('/dev/fd')) + '\\n')"
    script = "require('child_process').spawnSync(process.argv[1], process.argv.slice(2)); setInterval(() => 0, 1e6)"

    identity = await launcher.launch(stage.plan("node", "-e", script, sys.executable, "-c", program))
    childs_fds = await stage.told()

    lock = str(tmp_path / "locks" / "user_1")
    assert [fd.name for fd in Path(f"/proc/{identity.pid}/fd").iterdir() if str(fd.readlink()) == lock] == [
        str(reserve_lock_fd())
    ]
    assert str(reserve_lock_fd()) not in map(str, childs_fds)


async def refused(launcher: HostLauncher, stage: Stage) -> OwnedElsewhereError:
    with pytest.raises(OwnedElsewhereError) as refusal:
        await launcher.launch(stage.plan("true"))
    return refusal.value


async def test_a_lock_held_by_another_process_refuses_the_launch(
    timeless: HostLauncher, clock: FakeClock, stage: Stage, tmp_path: Path
) -> None:
    with (tmp_path / "locks" / "user_1").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        async with asyncio.TaskGroup() as tasks:
            refusal = tasks.create_task(refused(timeless, stage))
            while clock.now().boot_s < 1005:
                await clock.until_sleeping()
                await clock.advance(0.25)

    assert str(tmp_path / "locks" / "user_1") in str(refusal.result())


async def test_a_lock_freed_in_time_lets_the_launch_go_on(
    timeless: HostLauncher, clock: FakeClock, stage: Stage, tmp_path: Path
) -> None:
    async with asyncio.TaskGroup() as tasks:
        with (tmp_path / "locks" / "user_1").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            launch = tasks.create_task(timeless.launch(stage.plan("sh", "-c", "exit 3")))
            await clock.until_sleeping()
        await clock.advance(0.25)

    assert await timeless.wait(launch.result()) == Exit(exit_code=3)


async def test_a_launch_ends_the_leftover_browser_that_holds_its_lock(launcher: HostLauncher, stage: Stage) -> None:
    earlier = replace(stage, launch_id=LaunchId("earlier"), directory=stage.directory.parent / "earlier")
    browser = earlier.python(SLEEPER, f"--user-data-dir={stage.directory}/profile")
    leftover = await launcher.launch(browser)
    await earlier.told()

    identity = await launcher.launch(stage.plan("sh", "-c", "exit 4"))

    assert await launcher.wait(leftover) == Exit(signal=signal.SIGKILL)
    assert await launcher.wait(identity) == Exit(exit_code=4)


def test_the_reserved_number_is_low_and_stays_taken(tmp_path: Path) -> None:
    locks = SessionLocks(tmp_path)

    with locks.hold(SessionId("user_1"), LaunchId("launch")) as during:
        assert os.path.samestat(os.fstat(during), (tmp_path / "user_1").stat())

    assert during == reserve_lock_fd() <= 15
    assert os.path.samestat(os.fstat(during), Path(os.devnull).stat())
    assert not os.get_inheritable(during)


def test_without_a_low_number_there_are_no_locks() -> None:
    fillers = [os.open(os.devnull, os.O_RDONLY) for _ in range(16)]

    try:
        with pytest.raises(LaunchFailedError, match="up to 15"):
            reserve_lock_fd.__wrapped__()
    finally:
        for filler in fillers:
            os.close(filler)


async def test_a_missing_program_is_named(launcher: HostLauncher, stage: Stage) -> None:
    with pytest.raises(LaunchFailedError, match="/no/such/program was not found"):
        await launcher.launch(stage.plan("/no/such/program"))

    assert not launcher._locks.is_held(stage.session_id)


async def test_a_missing_directory_is_not_taken_for_a_missing_program(launcher: HostLauncher, stage: Stage) -> None:
    plan = replace(stage.plan("true"), cwd=stage.directory / "gone")

    with pytest.raises(LaunchFailedError, match=r"directory .*/gone is missing"):
        await launcher.launch(plan)


async def test_a_program_that_is_not_executable_is_refused_with_the_fix(launcher: HostLauncher, stage: Stage) -> None:
    program = stage.directory / "program"
    program.write_text("#!/bin/sh\n")

    with pytest.raises(LaunchFailedError, match="chmod"):
        await launcher.launch(stage.plan(str(program)))


async def test_a_file_that_is_no_program_is_refused_with_the_fix(launcher: HostLauncher, stage: Stage) -> None:
    program = stage.directory / "program"
    program.write_text("echo without a first line\n")
    program.chmod(0o700)

    with pytest.raises(LaunchFailedError, match="first line"):
        await launcher.launch(stage.plan(str(program)))


async def test_too_much_environment_is_refused_with_the_fix(launcher: HostLauncher, stage: Stage) -> None:
    with pytest.raises(LaunchFailedError, match="shorten the session's env"):
        await launcher.launch(replace(stage.plan("true"), env={"PATH": "/bin", "BIG": "x" * 3_000_000}))


async def test_a_log_that_cannot_be_written_is_named(launcher: HostLauncher, stage: Stage) -> None:
    taken = stage.directory / "taken"
    taken.touch()
    plan = replace(stage.plan("true"), log_path=of_session(taken / "engine.log"))

    with pytest.raises(LaunchFailedError, match=os.strerror(errno.EEXIST)):
        await launcher.launch(plan)


async def test_the_oldest_process_with_the_launch_id_is_found(launcher: HostLauncher, stage: Stage) -> None:
    program = "child = subprocess.Popen(['sleep', '1000']); tell(child.pid); wait_for_ever()"
    identity = await launcher.launch(stage.python(program))
    await stage.told()

    found = launcher.find(stage.launch_id)

    assert found == identity == live_identity_of(identity.pid)
    assert launcher.find(LaunchId("nobody's")) is None


async def test_a_launch_looks_at_no_other_sessions_engine_that_was_started_here(
    launcher: HostLauncher, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    read = places.working_dir_of

    def note(pid: int) -> str:
        looked_at.append(pid)
        return read(pid)

    monkeypatch.setattr(places, "working_dir_of", note)
    identity = await launcher.launch(stage.python(SLEEPER))
    await stage.told()

    await launcher.find_own(SessionId("user_2"), stage.directory.with_name("user_2"))

    assert os.getppid() in looked_at
    assert identity.pid not in looked_at


async def test_a_launch_finds_its_own_sessions_engine_that_was_started_here(
    launcher: HostLauncher, stage: Stage
) -> None:
    identity = await launcher.launch(stage.python(SLEEPER))
    await stage.told()

    found = await launcher.find_own(stage.session_id, stage.directory)

    assert found is not None
    assert found.identity == identity


async def test_the_number_of_an_engine_that_has_ended_is_looked_at_again(launcher: HostLauncher, stage: Stage) -> None:
    await launcher.wait(await launcher.launch(stage.plan("true")))
    await asyncio.sleep(0)

    assert launcher._started == {}
