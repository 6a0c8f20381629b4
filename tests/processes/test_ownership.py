"""What proves that a live process is a session's engine, launched by a daemon of ours, and what does not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openwa_manager.domain.errors import OwnedElsewhereError
from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes import marks
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.discovery import find_engines
from openwa_manager.processes.reading.ownership import holds_lock, is_proven
from tests.fakes.platforms import linux_only
from tests.fakes.process import ending
from tests.processes.conftest import Stage

SLEEPER = "tell(os.getpid()); wait_for_ever()"
USER = SessionId("user_1")
#: Opens the file at the number that is given, and locks it or not; waits for its end.
OPENS = """
import fcntl, os, signal, sys
fd = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
os.dup2(fd, 9)
os.close(fd)
if sys.argv[2] == "locked":
    fcntl.flock(9, fcntl.LOCK_EX)
print("open", flush=True)
signal.pause()
"""


@pytest.fixture
def locks(tmp_path: Path) -> SessionLocks:
    return SessionLocks(tmp_path / "locks", tmp_path / "former")


@contextmanager
def holding(path: Path, how: str, launch_id: str = "other") -> Iterator[int]:
    """Run what has this file open at a low number, and carries a launch id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "OPENWA_MANAGER_LAUNCH_ID": launch_id}
    program = [sys.executable, "-c", OPENS, str(path), how]
    with ending(subprocess.Popen(program, env=environ, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        process.kill()


async def test_an_engine_is_proven_by_its_lock_and_launch_id(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks
) -> None:
    engine = await launcher.launch(stage.python(SLEEPER))
    await stage.told()

    assert is_proven(engine.pid, USER, stage.launch_id, locks)
    assert not is_proven(engine.pid, USER, LaunchId("another"), locks)
    assert not is_proven(engine.pid, SessionId("user_2"), stage.launch_id, locks)


@linux_only("no other system tells who holds a lock")
async def test_an_engine_whose_lock_file_was_removed_is_proven_until_another_launch_takes_a_new_one(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks
) -> None:
    engine = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    (locks.directory / USER).unlink()
    was_proven = is_proven(engine.pid, USER, stage.launch_id, locks)

    with locks.hold(USER, LaunchId("another")):
        pass

    assert was_proven
    assert not is_proven(engine.pid, USER, stage.launch_id, locks)


@linux_only("no other system tells who holds a lock")
@pytest.mark.parametrize(("how", "is_held"), [("locked", True), ("open", False)])
def test_a_lock_in_another_home_of_an_earlier_version_counts_while_it_is_held(
    tmp_path: Path, locks: SessionLocks, how: str, is_held: bool
) -> None:
    with holding(tmp_path / "another" / "locks" / "user_1.lock", how) as pid:
        assert holds_lock(pid, USER, LaunchId("other"), locks) is is_held
        assert not holds_lock(pid, SessionId("user_2"), LaunchId("other"), locks)


@linux_only("no other system tells who holds a lock")
def test_a_file_that_only_has_the_name_of_a_removed_lock_proves_nothing(locks: SessionLocks) -> None:
    with holding(locks.directory / USER, "open") as pid:
        (locks.directory / USER).unlink()

        assert not holds_lock(pid, USER, LaunchId("other"), locks)


@linux_only("no other system tells who holds a lock")
def test_who_comes_from_another_launch_cannot_pass_for_an_engine(tmp_path: Path, locks: SessionLocks) -> None:
    if marks.read(os.getpid()) is not None:
        pytest.skip("processes have a limit here already, so there are no marks")
    with holding(tmp_path / "another" / "locks" / "user_1.lock", "locked") as pid:
        assert is_proven(pid, USER, LaunchId("other"), locks)
        marks.put(pid, LaunchId("launch of a neighbour"))

        assert not is_proven(pid, USER, LaunchId("other"), locks)


async def test_the_engine_that_runs_there_is_found_if_it_is_proven_ours(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks
) -> None:
    engine = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    another = HostLauncher(locks, SystemClock(), EngineFiles())

    found = await another.find_own(USER, stage.directory)

    assert found is not None
    assert (found.identity, found.launch_id) == (engine, stage.launch_id)
    assert found.environment["TELL"] == str(stage.directory / "tell")
    another.close()


async def test_beside_a_stranger_no_engine_of_ours_is_found(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks
) -> None:
    await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    environ = {"PATH": os.environ["PATH"], "OPENWA_MANAGER_LAUNCH_ID": "by hand"}
    program = [sys.executable, "-c", "import signal; signal.pause()"]
    another = HostLauncher(locks, SystemClock(), EngineFiles())
    with ending(subprocess.Popen(program, cwd=stage.directory, env=environ)) as stranger:
        with pytest.raises(OwnedElsewhereError, match=f"kill {stranger.pid}"):
            await another.find_own(USER, stage.directory)
        stranger.kill()
    another.close()


@linux_only("no other system tells who holds a lock")
async def test_an_engine_whose_lock_file_was_removed_is_found_at_the_start_too(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks, tmp_path: Path
) -> None:
    engine = await launcher.launch(stage.python(SLEEPER))
    await stage.told()
    (locks.directory / USER).unlink()

    (found,) = find_engines(tmp_path / "sessions", locks)

    assert found.identity == engine
    assert launcher.holds_lock(USER, stage.launch_id, engine)


def test_the_lock_names_the_last_launch_alone_whatever_was_written_before(locks: SessionLocks, tmp_path: Path) -> None:
    (tmp_path / "locks" / USER).write_text("written by something else, and longer\n")

    with locks.hold(USER, LaunchId("the last")):
        pass

    assert (tmp_path / "locks" / USER).read_text() == "the last\n"


def test_what_is_left_of_a_longer_name_is_not_read(locks: SessionLocks, tmp_path: Path) -> None:
    (tmp_path / "locks" / USER).write_text("the last\nelse, and longer\n")

    assert locks.launch_of(USER) == "the last"
