import os
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.host.notify import LAUNCHD_LABEL, ServiceManager


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """Listen as systemd does; yields the socket and what NOTIFY_SOCKET holds."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        name = str(Path(directory) / "notify") if request.param == "path" else f"@notify-{uuid.uuid4()}"
        ear.bind(name.replace("@", "\0", 1))
        ear.settimeout(5)
        yield ear, name


def test_every_state_is_said_in_systemds_words(listener: tuple[socket.socket, str]) -> None:
    ear, name = listener
    manager = ServiceManager({"NOTIFY_SOCKET": name})

    manager.ready()
    manager.status("3 sessions\nrunning")
    manager.alive()
    manager.stopping()

    said = [ear.recv(1000).decode() for _ in range(4)]
    assert said == ["READY=1", "STATUS=3 sessions running", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/no/such/socket", "vsock:2:1234"])
def test_without_a_listener_nothing_is_said_and_nothing_breaks(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}).ready()
    ServiceManager({}).ready()


@pytest.mark.parametrize(
    ("environment", "expected_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_the_watchdog_is_fed_as_often_as_it_asks(environment: dict[str, str], expected_s: float | None) -> None:
    assert ServiceManager(environment).watchdog_s() == expected_s


LAUNCHD, SYSTEMD = {"XPC_SERVICE_NAME": LAUNCHD_LABEL}, {"WATCHDOG_USEC": "30000000"}


@pytest.mark.parametrize(
    ("environment", "asked_s", "expected_s"),
    [
        (LAUNCHD, None, 30.0),
        (LAUNCHD, 0.0, None),
        (LAUNCHD | SYSTEMD, None, 30.0),
        ({}, None, None),
        ({"XPC_SERVICE_NAME": "0"}, None, None),
        ({}, 20.0, 10.0),
        (SYSTEMD, 20.0, 30.0),
    ],
)
def test_where_there_is_no_watchdog_a_limit_of_ours_takes_its_place(
    environment: dict[str, str], asked_s: float | None, expected_s: float | None
) -> None:
    assert ServiceManager(environment, asked_s).watchdog_s() == expected_s


def run_after_a_beat(then: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program that has sent one keep-alive and may be frozen for 0.3 s."""
    program = f"""
import ctypes, time
from openwa_manager.host.notify import ServiceManager
manager = ServiceManager({environment or {}}, 0.3)
manager.alive()
{then}
"""
    argv = (sys.executable, "-c", program)
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("freeze", ["time.sleep(50)", "ctypes.PyDLL(None).sleep(50)  # holds the GIL"])
def test_a_freeze_ends_the_process_which_says_where_it_hung(freeze: str) -> None:
    ended = run_after_a_beat(freeze)

    assert ended.returncode == 1
    assert "Timeout (0:00:00.300000)!" in ended.stderr
    assert 'File "<string>", line 6 in <module>' in ended.stderr


def test_whoever_goes_on_sending_lives() -> None:
    ended = run_after_a_beat("for _ in range(20): time.sleep(0.05); manager.alive()")

    assert (ended.returncode, ended.stderr) == (0, "")


def test_at_the_end_nobody_is_ended_for_being_slow() -> None:
    ended = run_after_a_beat("manager.close(); time.sleep(1)")

    assert (ended.returncode, ended.stderr) == (0, "")


def test_where_systemd_watches_it_is_left_to_systemd() -> None:
    ended = run_after_a_beat("time.sleep(1)", SYSTEMD)

    assert (ended.returncode, ended.stderr) == (0, "")
