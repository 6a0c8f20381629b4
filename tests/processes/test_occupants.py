"""Who runs an engine in a session's directory, and who only stands there."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from openwa_manager.domain.errors import OwnedElsewhereError
from openwa_manager.domain.session.launch_facts import OwnedBy
from openwa_manager.domain.session.session import Exit, LaunchId, SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.discovery import find_engines
from openwa_manager.processes.reading.identity import is_alive
from openwa_manager.processes.reading.table import read_tagged_processes
from tests.fakes.clock import FakeClock
from tests.fakes.process import ending
from tests.processes.conftest import Stage

SLEEPER = "tell(os.getpid()); wait_for_ever()"
#: Hands everything on but its environment, as a shell does, and ends.
SHELL_THAT_ENDS = """
child = [sys.executable, "-c", "import time; time.sleep(1000)"]
lock = [number for number in range(3, 16) if os.path.exists(f"/dev/fd/{number}")]
tell(subprocess.Popen(child, env={}, pass_fds=lock, cwd="/").pid)
"""


def marked(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    del environment
    return "engine" in arguments


@pytest.fixture
async def looking(launcher: HostLauncher) -> HostLauncher:
    """Make a launcher that takes for an engine what has the word among its arguments."""
    launcher._recognizes = marked
    return launcher


async def owner_of(launcher: HostLauncher, stage: Stage) -> OwnedBy | None:
    """Return who keeps the session's directory from being free."""
    try:
        await launcher.find_own(stage.session_id, stage.directory)
    except OwnedElsewhereError as error:
        return error.owner if isinstance(error.owner, OwnedBy) else None
    return None


def by_hand(stage: Stage, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-c", "import signal; signal.pause()", *arguments]
    return subprocess.Popen(program, cwd=cwd or stage.directory, env={})


async def test_an_engine_that_works_there_is_named_with_what_ends_it(looking: HostLauncher, stage: Stage) -> None:
    with ending(by_hand(stage, "engine")) as engine:
        owner = await owner_of(looking, stage)
        engine.kill()

    assert owner is not None
    assert owner.pid == engine.pid
    assert owner.command.endswith(" engine")
    assert owner.age_s is not None
    assert f"kill {engine.pid}" in owner.sentence


@pytest.mark.parametrize("argument", ["{}/data", "--data={}", "{}"])
async def test_an_engine_is_found_by_a_place_among_its_arguments(
    looking: HostLauncher, stage: Stage, argument: str
) -> None:
    with ending(by_hand(stage, "engine", argument.format(stage.directory), cwd=Path("/"))) as engine:
        owner = await owner_of(looking, stage)
        engine.kill()

    assert owner is not None


async def test_an_engine_whose_directory_was_removed_under_it_is_still_found(
    looking: HostLauncher, stage: Stage
) -> None:
    moved = stage.directory.with_name("moved")
    with ending(by_hand(stage, "engine")) as engine:
        (stage.directory / "tell").unlink()
        stage.directory.rmdir()
        stage.directory.mkdir()
        owner = await owner_of(looking, stage)
        engine.kill()

    assert owner is not None
    assert not moved.exists()


async def test_who_only_stands_there_is_nobodys_engine(looking: HostLauncher, stage: Stage) -> None:
    with ending(by_hand(stage, "shell")) as shell:
        owner = await owner_of(looking, stage)
        shell.kill()

    assert owner is None


async def test_an_engine_of_a_session_whose_name_begins_alike_is_not_meant(looking: HostLauncher, stage: Stage) -> None:
    neighbour = stage.directory.with_name("user_10")
    neighbour.mkdir()
    with ending(by_hand(stage, "engine", str(neighbour / "data"), cwd=neighbour)) as engine:
        owner = await owner_of(looking, stage)
        engine.kill()

    assert owner is None


async def test_what_is_left_of_a_launch_that_is_over_is_ended(looking: HostLauncher, stage: Stage) -> None:
    leftover = stage.orphan(SLEEPER)
    await stage.told()
    async with asyncio.TaskGroup() as tasks:
        sweep = tasks.create_task(looking.sweep(stage.target(None)))
        await asyncio.sleep(0)
        await looking.find_own(stage.session_id, stage.directory)

        assert not is_alive(leftover)
        sweep.cancel()


async def test_an_engine_of_a_launch_that_nobody_ended_is_not_ours_to_end(looking: HostLauncher, stage: Stage) -> None:
    engine = stage.orphan(SLEEPER)
    await stage.told()

    owner = await owner_of(looking, stage)

    assert owner is not None
    assert owner.pid == engine.pid
    assert is_alive(engine)


async def test_the_lock_tells_which_launch_took_it_last(looking: HostLauncher, stage: Stage, tmp_path: Path) -> None:
    await looking.wait(await looking.launch(stage.plan("true")))

    locks = SessionLocks(tmp_path / "locks")
    assert locks.launch_of(stage.session_id) == stage.launch_id
    assert (tmp_path / "locks" / stage.session_id).read_text().strip() == stage.launch_id
    assert locks.launch_of(SessionId("unknown")) is None


@pytest.mark.parametrize("kind", ["pipe", "link", "directory"])
def test_what_is_no_lock_file_tells_of_no_launch_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    locks, place = SessionLocks(tmp_path / "locks"), tmp_path / "locks" / "acme"
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "link":
            place.symlink_to(tmp_path / "elsewhere")
            (tmp_path / "elsewhere").write_text("a launch")
        case _:
            place.mkdir()

    assert locks.launch_of(SessionId("acme")) is None


async def test_whoever_was_handed_the_lock_on_is_ended_with_its_launch(looking: HostLauncher, stage: Stage) -> None:
    engine = await looking.launch(stage.python(SHELL_THAT_ENDS))
    (heir,) = await stage.told()
    await looking.wait(engine)
    assert looking._locks.is_held(stage.session_id)

    stage.launch_id = LaunchId("next")
    identity = await looking.launch(stage.plan("sh", "-c", "exit 4"))

    assert await looking.wait(identity) == Exit(exit_code=4)
    assert heir not in {each.pid for each in read_tagged_processes()}


async def test_a_late_sweep_leaves_a_later_launch_alone(looking: HostLauncher, stage: Stage) -> None:
    await looking.wait(await looking.launch(stage.plan("true")))
    ended = stage.target(None)
    stage.launch_id = LaunchId("later")
    engine = await looking.launch(stage.python(SHELL_THAT_ENDS + "wait_for_ever()"))
    (heir,) = await stage.told()

    assert await looking.sweep(ended) == 0

    assert is_alive(engine)
    assert heir in {each.pid for each in read_tagged_processes()}
    await looking.end(stage.target(engine), 0.1)


async def test_a_lock_of_an_earlier_version_keeps_a_launch_out(tmp_path: Path, stage: Stage) -> None:
    former = tmp_path / "former"
    former.mkdir()
    launcher = HostLauncher(SessionLocks(tmp_path / "locks", former), clock := FakeClock(), EngineFiles())
    with (former / "user_1.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert launcher._locks.is_held(stage.session_id)
        async with asyncio.TaskGroup() as tasks:
            launch = tasks.create_task(refusal(launcher, stage))
            while clock.now().boot_s < 1005:
                await clock.until_sleeping()
                await clock.advance(0.25)
        assert launch.result() == "session_owned_elsewhere"
    launcher.close()


async def refusal(launcher: HostLauncher, stage: Stage) -> str:
    with pytest.raises(OwnedElsewhereError) as refused:
        await launcher.launch(stage.plan("true"))
    return refused.value.code


async def test_an_engine_is_found_by_the_lock_beside_its_directory(
    looking: HostLauncher, stage: Stage, tmp_path: Path
) -> None:
    engine = await looking.launch(stage.python(SLEEPER))
    await stage.told()

    (found,) = find_engines(tmp_path / "sessions", SessionLocks(tmp_path / "locks"))

    assert (found.session_id, found.launch_id, found.identity) == (stage.session_id, stage.launch_id, engine)


async def test_a_lock_in_which_another_launch_is_written_proves_nothing(
    looking: HostLauncher, stage: Stage, tmp_path: Path
) -> None:
    await looking.launch(stage.python(SLEEPER))
    await stage.told()
    (tmp_path / "locks" / "user_1").write_text("another\n")

    assert find_engines(tmp_path / "sessions", SessionLocks(tmp_path / "locks")) == []


async def test_an_engine_that_holds_a_lock_of_an_earlier_version_is_found(stage: Stage, tmp_path: Path) -> None:
    earlier = HostLauncher(SessionLocks(tmp_path / "earlier"), FakeClock(), EngineFiles())
    engine = await earlier.launch(stage.python(SLEEPER))
    await stage.told()
    (tmp_path / "earlier" / "user_1").rename(tmp_path / "earlier" / "user_1.lock")

    (found,) = find_engines(tmp_path / "sessions", SessionLocks(tmp_path / "locks", tmp_path / "earlier"))

    assert found.identity == engine
    earlier.close()
    os.kill(engine.pid, signal.SIGKILL)
