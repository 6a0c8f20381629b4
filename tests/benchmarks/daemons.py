"""Runs daemons that are measured, and asks them over connections that stay open."""

import http.client
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import psutil

from openwa_manager.domain.delivery.events import Json
from tests.benchmarks.floors.spawning import ENGINE
from tests.e2e.peers.daemon import Daemon, UnixConnection

#: An engine that costs nothing, so that only the daemon is measured. It never answers, shows no code and is not ended
#: for that; there is room for a thousand of them and some more.
SLEEPER: Final = {
    "ENGINE": "command",
    "COMMAND_ARGV": json.dumps(ENGINE),
    "START_CONCURRENCY": "1000",
    "BOOT_TIMEOUT_S": "100000",
    "LINK_INITIALIZING_S": "100000",
    "PAIRING_WINDOW_S": "100000",
    "ENGINE_PORTS": "26000-28499",
}


class Served(Protocol):
    """Whoever has a home with a socket in it: a daemon, or a floor that is asked in the same way."""

    @property
    def home(self) -> Path:
        """Return the folder below which `run/manager.sock` is."""

    @property
    def key(self) -> str:
        """Return the API key, which may be empty."""


class Line:
    """A connection that stays open, so that no measurement pays for a new one."""

    def __init__(self, served: Served) -> None:
        self._connection: http.client.HTTPConnection = UnixConnection(served.home / "run" / "manager.sock")
        self._key = {"X-API-Key": served.key}

    def ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> dict[str, Json]:
        """Return the answer to one call."""
        raw = None if body is None else json.dumps(body).encode()
        headers = self._key if body is None else {**self._key, "Content-Type": "application/json"}
        self._connection.request(method, path, raw, headers)
        answer: dict[str, Json] = json.loads(self._connection.getresponse().read())
        return answer


@contextmanager
def running(
    settings: Mapping[str, str], engine_env: Mapping[str, str] | None = None, disk: Path | None = None
) -> Iterator[tuple[Daemon, Line]]:
    """Run a daemon on a home of its own, on this disk (None: where temporary files are)."""
    quiet = {"LOG_LEVEL": "warning", **settings}
    with (
        tempfile.TemporaryDirectory(prefix="openwa-bench-", dir=disk) as folder,
        Daemon(home=Path(folder) / "home", settings=quiet, engine_env=engine_env or {}) as daemon,
    ):
        yield daemon, Line(daemon)


def pid_of(daemon: Daemon) -> int:
    """Return the process of a daemon that runs."""
    assert daemon.process is not None
    return daemon.process.pid


def used_s(daemon: Daemon) -> float:
    """Return the CPU seconds that a daemon has taken since its start."""
    times = psutil.Process(pid_of(daemon)).cpu_times()
    return times.user + times.system
