"""Engines whose environment nobody is told: found, adopted and ended by the lock that they hold.

macOS hides that of its own shells and small programs; here they start without one, which looks the same from outside.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openwa_manager.domain.errors import OwnedElsewhereError
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, LaunchId, SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes import marks
from openwa_manager.processes.engine_processes import EngineProcesses, ancestors
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks, reserve_lock_fd
from openwa_manager.processes.reading.discovery import find_engines
from openwa_manager.processes.reading.identity import environment_of, is_alive, live_identity_of
from openwa_manager.processes.reading.occupants import find_strangers
from openwa_manager.processes.reading.ownership import holds_lock, launch_of
from openwa_manager.processes.reading.table import EngineTag, read_processes, read_tagged_processes, tag_of
from tests.fakes.platforms import linux_only
from tests.fakes.process import ending
from tests.processes.conftest import Stage

USER = SessionId("user_1")
SHELLS = [shell for name in ("sh", "bash") if (shell := shutil.which(name))]
#: Starts a program beside itself, says which, and waits for it. The program's own environment is given to it.
STARTS = """
place=$1; shift
"$@" &
echo "[$$, $!]" > "$place"
wait
"""
#: Has its lock under another number than it got it.
MOVES = """
import os, signal, sys
number = int(sys.argv[1])
os.dup2(number, 15 if number < 15 else 14)
os.close(number)
with open(sys.argv[2], "w") as told:
    told.write("[0]\\n")
signal.pause()
"""
#: Gets rid of its mark, which macOS has none of.
LOWERS = "import resource; resource.setrlimit(15, (1, 1))"
SLEEPS = ("sleep", "1000")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere `env` and `sleep` are found by other names")


@contextmanager
def holding(file: Path) -> Iterator[int]:
    """Run what has this file open under the reserved number, without an environment."""
    file.touch()
    with file.open() as opened:
        os.dup2(opened.fileno(), reserve_lock_fd())
    program = subprocess.Popen(SLEEPS, env={}, pass_fds=(reserve_lock_fd(),))
    with Path(os.devnull).open() as null:
        os.dup2(null.fileno(), reserve_lock_fd(), inheritable=False)
    with ending(program):
        yield program.pid
        program.kill()


@pytest.fixture
def locks(tmp_path: Path) -> SessionLocks:
    return SessionLocks(tmp_path / ".locks")


@pytest.fixture
async def launcher(locks: SessionLocks) -> AsyncIterator[HostLauncher]:
    launcher = HostLauncher(locks, SystemClock(), EngineFiles())
    yield launcher
    launcher.close()


async def launch_hidden(
    launcher: HostLauncher, stage: Stage, *starts: str, shell: str = SHELLS[0]
) -> tuple[Identity, Identity]:
    """Launch a shell without an environment; return it and what it started."""
    argv = (shell, "-c", STARTS, "shell", str(stage.directory / "tell"), *(starts or SLEEPS))
    engine = await launcher.launch(stage.plan("/usr/bin/env", "-i", f"PATH={os.environ['PATH']}", *argv))
    pid, child = await stage.told()
    assert pid == engine.pid
    started = live_identity_of(child)
    assert started is not None
    return engine, started


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_shell_hands_its_lock_on_to_what_it_starts(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks, shell: str
) -> None:
    _, child = await launch_hidden(launcher, stage, shell=shell)

    assert holds_lock(child.pid, USER, stage.launch_id, locks)


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_process_without_an_environment_is_of_the_launch_whose_lock_it_holds(
    launcher: HostLauncher, stage: Stage, shell: str
) -> None:
    engine, child = await launch_hidden(launcher, stage, shell=shell)

    assert {each.identity for each in read_tagged_processes().of_launch(stage.launch_id)} == {engine, child}
    assert launcher.find(stage.launch_id) == engine


async def test_such_an_engine_is_found_at_the_daemons_start(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks, tmp_path: Path
) -> None:
    engine, _ = await launch_hidden(launcher, stage)

    (found,) = find_engines(tmp_path / "sessions", locks)

    assert (found.identity, found.launch_id, found.session_id) == (engine, stage.launch_id, USER)
    assert found.arguments[0] == SHELLS[0]
    assert find_engines(tmp_path / "sessions", locks, known={stage.launch_id}) == []


async def test_such_an_engine_is_found_under_whatever_number_another_daemon_handed_it_its_lock(
    launcher: HostLauncher, stage: Stage, locks: SessionLocks, tmp_path: Path
) -> None:
    argv = (sys.executable, "-c", MOVES, str(reserve_lock_fd()), str(stage.directory / "tell"))
    engine = await launcher.launch(stage.plan("/usr/bin/env", "-i", *argv))
    await stage.told()

    (at_start,) = find_engines(tmp_path / "sessions", locks)
    by_a_start = await launcher.find_own(USER, stage.directory)
    await launcher.end(stage.target(engine), 0)

    assert by_a_start is not None
    assert (at_start.identity, by_a_start.identity) == (engine, engine)


async def test_such_an_engine_is_adopted_by_a_start(stage: Stage, launcher: HostLauncher, locks: SessionLocks) -> None:
    engine, _ = await launch_hidden(launcher, stage)
    another = HostLauncher(locks, SystemClock(), EngineFiles())

    found = await another.find_own(USER, stage.directory)

    assert found is not None
    assert (found.identity, found.launch_id) == (engine, stage.launch_id)
    another.close()


async def test_what_such_an_engine_was_started_with_is_learnt_from_what_it_started(
    stage: Stage, launcher: HostLauncher, locks: SessionLocks, tmp_path: Path
) -> None:
    environ = (f"{LAUNCH_ID_VARIABLE}={stage.launch_id}", "PORT=1234")
    engine, child = await launch_hidden(launcher, stage, "/usr/bin/env", *environ, *SLEEPS)
    while "PORT" not in environment_of(child):
        pass

    (at_start,) = find_engines(tmp_path / "sessions", locks)
    by_a_start = await launcher.find_own(USER, stage.directory)

    assert by_a_start is not None
    for found in (at_start, by_a_start):
        assert found.identity == engine
        assert found.environment["PORT"] == "1234"


async def test_what_is_left_with_its_lock_under_another_number_is_ended_before_a_launch(
    launcher: HostLauncher, stage: Stage
) -> None:
    argv = (sys.executable, "-c", LOWERS + MOVES, str(reserve_lock_fd()), str(stage.directory / "tell"))
    engine = await launcher.launch(stage.plan(SHELLS[0], "-c", 'env -i "$@" & wait', "shell", *argv))
    await stage.told()
    os.kill(engine.pid, signal.SIGKILL)
    await launcher.wait(engine)
    (left,) = [each.identity for each in read_processes() if each.session == engine.pid]
    await launcher.sweep(stage.target(engine))
    assert is_alive(left)

    found = await launcher.find_own(USER, stage.directory)

    assert not is_alive(left)
    assert found is None


async def test_what_such_an_engine_left_is_ended_by_the_lock_it_holds(stage: Stage, launcher: HostLauncher) -> None:
    engine, child = await launch_hidden(launcher, stage, "setsid", *SLEEPS)
    os.kill(engine.pid, signal.SIGKILL)
    await launcher.wait(engine)

    await launcher.sweep(stage.target(engine))

    assert not is_alive(child)


#: Starts a browser as Puppeteer does: in a session of its own, and without a lock. It shows no environment, as Chrome
#: on macOS.
STARTS_BROWSER = """
profile = "--user-data-dir=" + os.getcwd() + "/profile"
renderer = [sys.executable, "-c", "import time; time.sleep(1000)", profile]
begins = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:], env={}).pid, flush=True); time.sleep(1000)"
program = [sys.executable, "-c", begins, *renderer]
browser = subprocess.Popen(program, env={}, cwd="/", start_new_session=True, stdout=subprocess.PIPE)
tell(browser.pid, int(browser.stdout.readline()))
wait_for_ever()
"""


async def test_a_browser_that_shows_no_environment_is_its_parents(stage: Stage, launcher: HostLauncher) -> None:
    engine = await launcher.launch(stage.python(STARTS_BROWSER))
    browser, renderer = await stage.told()
    another = HostLauncher(launcher._locks, SystemClock(), EngineFiles())

    found = await another.find_own(USER, stage.directory)

    assert found is not None
    assert found.identity == engine
    assert find_strangers(stage.directory.parent, launcher._locks, lambda *_: False) == {}
    os.kill(browser, signal.SIGKILL)
    os.kill(renderer, signal.SIGKILL)
    another.close()


async def test_such_a_browser_that_an_engine_left_is_ended_by_the_next_start(
    stage: Stage, launcher: HostLauncher
) -> None:
    engine = await launcher.launch(stage.python(STARTS_BROWSER))
    browser, renderer = map(live_identity_of, await stage.told())
    assert browser is not None
    assert renderer is not None
    os.kill(engine.pid, signal.SIGKILL)
    await launcher.wait(engine)
    while {parent for pid, parent, _ in ancestors(browser.pid) if pid == browser.pid} == {engine.pid}:
        pass
    another = HostLauncher(launcher._locks, SystemClock(), EngineFiles())

    strangers = find_strangers(stage.directory.parent, launcher._locks, lambda *_: False)
    found = await another.find_own(USER, stage.directory)

    assert (strangers, found) == ({}, None)
    assert not is_alive(browser)
    assert not is_alive(renderer)
    another.close()


async def test_a_browser_that_shows_its_environment_and_names_no_launch_is_a_strangers(
    stage: Stage, launcher: HostLauncher
) -> None:
    shows = STARTS_BROWSER.replace("env={}", "env={'A': 'B'}")
    engine = await launcher.launch(stage.python(shows))
    browser, renderer = await stage.told()
    os.kill(engine.pid, signal.SIGKILL)
    await launcher.wait(engine)

    with pytest.raises(OwnedElsewhereError):
        await launcher.find_own(USER, stage.directory)

    assert live_identity_of(browser) is not None
    os.kill(browser, signal.SIGKILL)
    os.kill(renderer, signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told of another user's engine")
async def test_root_takes_no_engine_of_the_services_user_for_a_strangers(stage: Stage, locks: SessionLocks) -> None:
    """`sudo openwa-manager doctor` asks so; of a shell on macOS it is told no environment."""
    with locks.hold(USER, stage.launch_id) as fd:
        engine, other = (
            subprocess.Popen(
                SLEEPS, env={}, cwd=stage.directory, pass_fds=given, user=65_534, group=65_534, extra_groups=()
            )
            for given in ((fd,), ())
        )
    with ending(engine), ending(other):
        strangers = find_strangers(stage.directory.parent, locks, lambda arguments, _: "sleep" in arguments)
        engine.kill()
        other.kill()

    assert {each.identity.pid for each in strangers.values()} == {other.pid}


async def test_what_names_another_launch_is_not_of_the_locks(launcher: HostLauncher, stage: Stage) -> None:
    """It took its descriptor over from an engine, and says itself where it comes from."""
    _, child = await launch_hidden(launcher, stage, "/usr/bin/env", f"{LAUNCH_ID_VARIABLE}=another", *SLEEPS)
    while (tag := tag_of(child.pid)) is None or tag.launch_id == stage.launch_id:
        pass

    assert tag.launch_id == "another"


@pytest.mark.parametrize(("name", "written"), [("user_1", ""), (".no-session", "an id")])
def test_a_file_that_is_no_lock_of_ours_names_no_launch(tmp_path: Path, name: str, written: str) -> None:
    file = tmp_path / ".locks" / name
    file.parent.mkdir()
    file.write_text(written)
    with holding(file) as pid:
        tag = tag_of(pid)

    assert tag is not None
    assert tag.launch_id is None


def test_whoever_holds_a_sessions_lock_is_an_engine_to_our_socket(tmp_path: Path, locks: SessionLocks) -> None:
    engines = EngineProcesses(dict, ())
    with locks.hold(USER, LaunchId("launch")):
        pass
    with holding(tmp_path / ".locks" / USER) as pid, holding(tmp_path / "else") as other:
        assert engines.includes(pid)
        assert not engines.includes(other)


#: Has its lock's place lie in a folder of its own, and something else in the folder's place afterwards.
POSES = """
import os, pathlib, signal, sys
folder = pathlib.Path(".locks")
folder.mkdir()
(folder / "user_9").touch()
os.dup2(os.open(folder / "user_9", os.O_RDWR), int(sys.argv[1]))
(folder / "user_9").unlink()
folder.rmdir()
folder.touch() if sys.argv[2] == "file" else folder.symlink_to(sys.argv[2])
print("ready", flush=True)
signal.pause()
"""


@contextmanager
def posing(directory: Path, as_what: str) -> Iterator[int]:
    argv = [sys.executable, "-c", POSES, str(reserve_lock_fd()), as_what]
    with ending(subprocess.Popen(argv, cwd=directory, env={}, stdout=subprocess.PIPE, close_fds=False)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_a_lock_that_an_engine_made_unreadable_hides_no_other_process(tmp_path: Path) -> None:
    with posing(tmp_path, "file") as pid:
        tag = tag_of(pid)

        assert tag is not None
        assert tag.launch_id is None
        assert pid in {each.pid for each in read_tagged_processes()}


@linux_only("only Linux has marks")
def test_a_lock_says_nothing_of_a_process_that_has_the_mark_of_another_launch(tmp_path: Path) -> None:
    real, evil = tmp_path / "real" / ".locks", tmp_path / "evil"
    real.mkdir(parents=True)
    evil.mkdir()
    (real / "user_9").write_text("launch-of-another\n")
    with posing(evil, str(real)) as pid:
        unmarked = launch_of(pid, a_tag(pid))
        marks.put(pid, LaunchId("its-own-launch"))

        assert unmarked == "launch-of-another"
        assert a_tag(pid).launch_id is None
        assert launch_of(pid, a_tag(pid)) is None


def a_tag(pid: int) -> EngineTag:
    tag = tag_of(pid)
    assert tag is not None
    return tag


async def test_an_engine_that_says_its_launch_goes_before_an_older_process_with_a_lock_that_names_it(
    launcher: HostLauncher, stage: Stage, tmp_path: Path
) -> None:
    real, evil = tmp_path / "real" / ".locks", tmp_path / "evil"
    real.mkdir(parents=True)
    evil.mkdir()
    (real / "user_9").write_text(stage.launch_id)
    with posing(evil, str(real)) as pid:
        engine = await launcher.launch(stage.python("tell(); wait_for_ever()"))
        await stage.told()

        assert a_tag(pid).launch_id == stage.launch_id
        assert launcher.find(stage.launch_id) == engine
