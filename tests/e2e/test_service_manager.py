"""The daemon and its service manager: what it says on the socket, and what outlives it."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import Daemon, engines_below
from tests.e2e.peers.service_manager import ServiceManagerEar
from tests.fakes.lockout import locked_out

ALIVE = "WATCHDOG=1"


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[ServiceManagerEar]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        listener.bind(str(tmp_path / "notify"))
        yield ServiceManagerEar(listener)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def watched(tmp_path: Path, ear: ServiceManagerEar, stack: ExitStack) -> Daemon:
    """Start a daemon whose service manager wants to hear of it every second."""
    del ear
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
    engine_env = {"SIM_AUTO_SCAN_S": "0.1", "SIM_QR_DELAY_S": "0.05"}
    return stack.enter_context(Daemon(home=tmp_path / "home", environ=environ, engine_env=engine_env))


def test_it_says_ready_once_its_sessions_are_taken_up_and_stopping_when_it_goes(
    watched: Daemon, ear: ServiceManagerEar
) -> None:
    for name in ("a", "b", "c"):
        watched.create(name)
        watched.until(name, "connected")
    watched.terminate()
    ear.forget()

    watched.start(wait=False)
    heard = list(ear.until("READY=1"))
    progress = watched.ask("GET", "/readyz").status
    watched.terminate()

    assert heard[0] == "STATUS=taking up the sessions"
    assert progress == 200
    assert "STATUS=3 sessions, 3 running, 0 waiting to start" in ear.listen()
    assert ear.heard[-1] == "STOPPING=1"
    assert ear.heard.count("READY=1") == 1


def test_it_feeds_the_watchdog_again_and_again(watched: Daemon, ear: ServiceManagerEar) -> None:
    heard = ear.until(ALIVE, 4)

    assert watched.ask("GET", "/livez").status == 200
    assert heard.count("READY=1") == 1


def test_a_stopped_daemon_does_not_feed_the_watchdog(watched: Daemon, ear: ServiceManagerEar) -> None:
    ear.until(ALIVE)
    assert watched.process is not None

    watched.process.send_signal(signal.SIGSTOP)
    said_while_stopped = ear.listen_for(1.5)
    watched.process.send_signal(signal.SIGCONT)

    assert said_while_stopped == []
    assert ALIVE in ear.until(ALIVE)


def test_a_daemon_whose_database_hangs_does_not_feed_the_watchdog(watched: Daemon, ear: ServiceManagerEar) -> None:
    ear.until(ALIVE, 2)

    with locked_out(watched.home / "manager.db"):
        said_while_hanging = ear.listen_for(1.5)

    assert ALIVE not in said_while_hanging[1:]  # one may have been on its way
    assert ALIVE in ear.until(ALIVE)
    assert watched.process is not None
    assert watched.process.poll() is None


def test_a_watchdogs_abort_says_where_the_daemon_hung_and_leaves_the_engines(
    watched: Daemon, ear: ServiceManagerEar
) -> None:
    watched.create("a")
    watched.until("a", "connected")
    before = watched.registry()
    ear.until("READY=1")
    assert watched.process is not None

    watched.process.send_signal(signal.SIGABRT)
    exit_code = watched.process.wait(20)
    survived = sorted(engines_below(watched.home))
    watched.start()

    assert exit_code == -signal.SIGABRT
    assert "Current thread" in watched.log
    assert survived == sorted(before.values())
    assert watched.registry() == before


def test_an_upgrade_of_the_daemon_leaves_every_engine_running(watched: Daemon, ear: ServiceManagerEar) -> None:
    names = [f"user_{number}_session_x" for number in range(10)]
    for name in names:
        watched.create(name)
    for name in names:
        watched.until(name, "connected", within_s=40)
    before = watched.registry()

    assert watched.terminate() == 0
    survived = sorted(engines_below(watched.home))
    ear.forget()
    watched.start(wait=False)
    ear.until("READY=1")

    assert survived == sorted(before.values())
    assert watched.registry() == before
    assert {str(watched.session(name).body["status"]) for name in names} == {"connected"}
