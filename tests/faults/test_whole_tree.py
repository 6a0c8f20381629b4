"""Whatever an engine started ends with it: its browsers, their grandchildren, and what tried to get away."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.reading.identity import is_alive, live_identity_of
from openwa_manager.processes.reading.table import read_tagged_processes
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.fakes.process import ending
from tests.faults.programs import COMMAND, running

#: Its grandchild cleans its environment, leaves session and parent, and hears no SIGTERM; its parent goes when told.
ESCAPE = """
previous = pathlib.Path("orphan")
if previous.exists():
    status = pathlib.Path("/proc", previous.read_text(), "status")
    lives = status.exists() and "State:\\tZ" not in status.read_text()
    pathlib.Path("seen").write_text("alive" if lives else "gone")
    signal.pause()
reader, writer = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(writer, str(os.getpid()).encode())
        os.execve("/bin/sleep", ["sleep", "900"], {})
    wait_for("go")
    os._exit(0)
previous.write_text(os.read(reader, 20).decode())
os.wait()
pathlib.Path("left").touch()
signal.pause()
"""

#: Leaves a grandchild that forked twice, cleaned its environment and left session and directory before anybody looked.
FORK_TWICE = """
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.chdir("/")
        os.write(writer, str(os.getpid()).encode())
        os.execve("/bin/sleep", ["sleep", "900"], {})
    os._exit(0)
pathlib.Path("part").write_text(os.read(reader, 20).decode())
os.wait()
os.rename("part", "left")
signal.pause()
"""


def browsers(daemon: Daemon, session_id: str) -> list[Identity]:
    """Return the live processes that were told to use a profile of the session."""
    found = read_tagged_processes().in_directory(daemon.home / "sessions" / session_id)
    return [process.identity for process in found]


@pytest.fixture(scope="module")
def daemon(share: Callable[..., Daemon]) -> Daemon:
    return share(engine_env=SCANNED, settings=COMMAND)


def with_browser(daemon: Daemon, session_id: str) -> list[Identity]:
    """Create a session and have its engine start a browser."""
    daemon.create(session_id)
    daemon.until(session_id, "connected")
    daemon.steer(session_id, "spawn-browser")
    return eventually(lambda: browsers(daemon, session_id))


def test_a_browser_that_double_forked_is_gone_once_the_session_is_stopped(daemon: Daemon) -> None:
    browser, neighbour = with_browser(daemon, "stop_1"), with_browser(daemon, "stop_10")

    stopped = daemon.ask("POST", "/v1/sessions/stop_1/stop?wait=20")

    assert stopped.body["status"] == "stopped"
    assert not any(map(is_alive, browser))
    assert all(map(is_alive, neighbour))


def test_a_browser_that_double_forked_is_gone_once_the_session_is_deleted(daemon: Daemon) -> None:
    browser = with_browser(daemon, "delete")

    deleted = daemon.ask("DELETE", "/v1/sessions/delete")

    assert deleted.status == 204
    assert not any(map(is_alive, browser))


def test_a_browser_is_gone_after_its_engine_was_killed_and_the_session_is_back(daemon: Daemon) -> None:
    browser = with_browser(daemon, "crash")

    os.kill(daemon.registry()["crash"], signal.SIGKILL)

    eventually(lambda: not any(map(is_alive, browser)))
    daemon.until("crash", "connected")


def test_a_browser_whose_engine_died_while_no_daemon_ran_is_gone_too(daemon: Daemon) -> None:
    browser = with_browser(daemon, "away")
    pid = daemon.registry()["away"]

    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    daemon.start()

    eventually(lambda: not any(map(is_alive, browser)))
    daemon.until("away", "connected")


def escaped(daemon: Daemon, session_id: str) -> tuple[Path, Identity]:
    """Return the directory of a session, and its descendant that nothing but a measurement knows of."""
    daemon.create(session_id, **running(ESCAPE))
    directory = daemon.home / "sessions" / session_id
    eventually(lambda: process_count(daemon, session_id) == 3)
    (directory / "go").touch()
    eventually((directory / "left").exists)
    orphan = live_identity_of(int((directory / "orphan").read_text()))
    assert orphan is not None
    return directory, orphan


def process_count(daemon: Daemon, session_id: str) -> Json:
    usage = daemon.session(session_id).body["usage"]
    return usage["process_count"] if isinstance(usage, dict) else None


def test_a_descendant_that_left_without_a_trace_ends_with_a_stop(daemon: Daemon) -> None:
    _, orphan = escaped(daemon, "trace")

    daemon.ask("POST", "/v1/sessions/trace/stop?wait=20")

    assert not is_alive(orphan)


def test_a_descendant_that_left_without_a_trace_is_gone_before_the_next_launch(daemon: Daemon) -> None:
    directory, orphan = escaped(daemon, "anew")

    os.kill(daemon.registry()["anew"], signal.SIGKILL)

    seen = directory / "seen"
    assert eventually(lambda: seen.read_text() if seen.exists() else None) == "gone"
    assert not is_alive(orphan)


def test_a_process_that_only_looks_at_a_session_is_not_touched(daemon: Daemon) -> None:
    daemon.create("read")
    daemon.until("read", "connected")
    log = daemon.home / "sessions" / "read" / "logs" / "engine.log"

    with ending(
        subprocess.Popen(["/usr/bin/tail", "-f", str(log)], cwd=log.parent, stdout=subprocess.DEVNULL)
    ) as admin:
        daemon.ask("POST", "/v1/sessions/read/stop?wait=20")

        assert admin.poll() is None
        admin.kill()


def lock_of(profile: Path, pid: int, host: str = socket.gethostname()) -> Path:
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "SingletonLock").unlink(missing_ok=True)
    (profile / "SingletonLock").symlink_to(f"{host}-{pid}")
    (profile / "SingletonCookie").touch()
    return profile / "SingletonLock"


def test_locks_of_dead_browsers_are_cleared_before_a_launch(daemon: Daemon) -> None:
    daemon.create("lock", desired="stopped")
    profiles = daemon.home / "sessions" / "lock" / "data" / "sessions"
    with ending(subprocess.Popen(["/bin/true"])) as ended:
        ended.wait(10)
    sleeper = [sys.executable, "-c", "import time; time.sleep(900)", f"--user-data-dir={profiles / 'used'}"]
    with ending(subprocess.Popen(sleeper)) as browser:
        dead = lock_of(profiles / "dead", ended.pid)
        reused = lock_of(profiles / "reused", os.getpid())
        elsewhere = lock_of(profiles / "elsewhere", ended.pid, host="another-host")
        used = lock_of(profiles / "used", browser.pid)

        refused = daemon.ask("POST", "/v1/sessions/lock/start")
        assert (refused.status, os.path.lexists(used)) == (409, True)
        browser.kill()

    daemon.ask("POST", "/v1/sessions/lock/start?wait=0")
    daemon.until("lock", "connected")

    assert [os.path.lexists(lock) for lock in (dead, reused, elsewhere, used)] == [False] * 4
    assert not (dead.parent / "SingletonCookie").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans on")
def test_what_forked_twice_and_cleaned_its_environment_does_not_survive_a_deletion(daemon: Daemon) -> None:
    left = {}
    for session_id in ("forks", "forks_too"):
        daemon.create(session_id, **running(FORK_TWICE))
        told = daemon.home / "sessions" / session_id / "left"
        eventually(told.exists)
        left[session_id] = live_identity_of(int(told.read_text()))

    for session_id, orphan in left.items():
        assert orphan is not None
        assert daemon.ask("DELETE", f"/v1/sessions/{session_id}").status == 204
        assert not is_alive(orphan)
