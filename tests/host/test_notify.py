import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.host.notify import ServiceManager


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
