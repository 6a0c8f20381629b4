import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon, eventually


@dataclass
class ServiceManagerEar:
    """Listens as systemd does, and keeps what it hears."""

    listener: socket.socket
    heard: list[str] = field(default_factory=list)

    def listen(self) -> list[str]:
        """Return everything said so far."""
        while True:
            try:
                self.heard.append(self.listener.recv(4096).decode())
            except BlockingIOError:
                return self.heard

    def until(self, word: str, count: int = 1) -> list[str]:
        """Return everything said, once a word was said so often."""
        eventually(lambda: self.listen().count(word) >= count)
        return self.heard

    def listen_for(self, seconds: float) -> list[str]:
        """Return what is said from now on within so many seconds: silence takes time."""
        self.forget()
        time.sleep(seconds)
        return self.listen()

    def forget(self) -> None:
        """Begin anew."""
        self.listen()
        self.heard.clear()


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
