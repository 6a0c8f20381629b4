"""The daemon as its users meet it: a process of its own, spoken to over HTTP and ended by signals."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from openwa_manager.domain.delivery.events import Json
from openwa_manager.processes.reading.identity import live_identity_of
from tests.fakes.polling import PATIENCE_S
from tests.fakes.ports import free_ports
from tests.run.leftovers import end_all, find_leftovers

Value = TypeVar("Value")

#: Lively, and with the rules off that are not the subject of most tests.
QUICK = {
    "START_SPACING_S": "0",
    "MIN_FREE_DISK_BYTES": "0",
    "MIN_FREE_MEMORY_BYTES": "0",
    "BACKOFF_FIRST_S": "0",
    "CRASH_LOOP_COUNT": "1000",
    "STOP_GRACE_S": "3",
    "START_CONCURRENCY": "4",
    "RATE_PER_S": "0",
    "LOG_LEVEL": "info",
    "LOG_FORMAT": "json",
}
#: A phone that scans at once, and no wait between the engine's steps.
SCANNED = {"SIM_AUTO_SCAN_S": "0.1", "SIM_QR_DELAY_S": "0.05"}


_started = count()


def _engine_ports() -> int:
    """Return the first of 400 ports below the ephemeral ones, apart from those of tests that run at the same time."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return 10_000 + worker * 2500 + (os.getpid() * 131 + next(_started) * 400) % 2100


def eventually(ask: Callable[[], Value | None], *, within_s: float = PATIENCE_S, every_s: float = 0.02) -> Value:
    """Ask until the answer is truthy and return it; fail when it never is."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(every_s)
    return answer


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Json]:
        """Return the JSON object that was answered."""
        parsed = json.loads(self.raw)
        assert isinstance(parsed, dict)
        return parsed

    def text(self, name: str) -> str:
        """Return a field that must be text."""
        value = self.body[name]
        assert isinstance(value, str), (name, self.raw)
        return value

    def number(self, name: str) -> int:
        """Return a field that must be a whole number."""
        value = self.body[name]
        assert isinstance(value, int), (name, self.raw)
        return value


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection through a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=70)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(70)
        self.sock.connect(str(self._path))


@dataclass
class Daemon:
    """One daemon on a home of its own; leaving it ends the daemon and every engine it ever started.

    `run_by` is the command that runs it, such as one that becomes another user before.
    """

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    engine_env: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    engine: str = "simulator"
    ready_within_s: float = PATIENCE_S
    run_by: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def __enter__(self) -> Self:
        self.port, intake = free_ports(2)
        first = _engine_ports()
        self._settings = {
            **QUICK,
            "LISTEN": f"127.0.0.1:{self.port}",
            "INTAKE_LISTEN": f"127.0.0.1:{intake}",
            "ENGINE_PORTS": f"{first}-{first + 400}",
            "ENGINE": self.engine,
            "ENGINE_ENV": json.dumps(self.engine_env),
            **self.settings,
        }
        with ExitStack() as undo:
            undo.push(self)  # a daemon that is not ready in time is ended as well
            self.start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()
        end_all(find_leftovers(self.home))

    def start(self, *, wait: bool = True, settings: Mapping[str, str] | None = None) -> None:
        """Start the daemon, from now on with these settings too; with `wait` return once it has adopted what lived."""
        self._settings |= settings or {}
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.environ}
        environ |= {f"OPENWA_MANAGER_{name}": value for name, value in self._settings.items()}
        argv = [*self.run_by, sys.executable, "-m", "openwa_manager", "serve", "--home", str(self.home)]
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            self.process = subprocess.Popen(argv, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            eventually(self._is_ready, within_s=self.ready_within_s)

    @property
    def log(self) -> str:
        """Return everything the daemon has logged."""
        return (self.home.parent / f"{self.home.name}.log").read_text()

    def kill(self) -> None:
        """End the daemon as `kill -9` does."""
        self._end(signal.SIGKILL)

    def terminate(self) -> int:
        """End the daemon as a service manager does, and return its exit code."""
        return self._end(signal.SIGTERM)

    @property
    def key(self) -> str:
        """Return the admin's key."""
        return (self.home / "admin.key").read_text().strip()

    def ask(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Call the API through the unix socket; with the key, for a test that receives posts may ask for somebody."""
        connection = UnixConnection(self.home / "run" / "manager.sock")
        try:
            raw = None if body is None else json.dumps(body).encode()
            kind = {} if body is None else {"Content-Type": "application/json"}
            key = {"X-API-Key": self.key} if (self.home / "admin.key").exists() else {}
            connection.request(method, path, raw, {**kind, **key, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def create(self, session_id: str, **fields: Json) -> Answer:
        """Create a session that must be accepted."""
        answer = self.ask("POST", "/v1/sessions", {"session_id": session_id, **fields})
        assert answer.status in (200, 201), answer.raw
        return answer

    def session(self, session_id: str) -> Answer:
        """Return a session that must exist."""
        answer = self.ask("GET", f"/v1/sessions/{session_id}")
        assert answer.status == 200, answer.raw
        return answer

    def until(self, session_id: str, status: str, *, within_s: float = PATIENCE_S) -> Answer:
        """Return the session once it has this status."""
        return eventually(
            lambda: answer if (answer := self.session(session_id)).body["status"] == status else None,
            within_s=within_s,
        )

    def registry(self) -> dict[str, int]:
        """Return session → PID."""
        answer = self.ask("GET", "/v1/registry")
        assert answer.status == 200, answer.raw
        registry: dict[str, int] = json.loads(answer.raw)
        return registry

    def steer(self, session_id: str, verb: str) -> None:
        """Do something to the simulated phone or engine of a session."""
        steer(Path(self.session(session_id).text("socket")), verb)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()  # does nothing once it has ended


def steer(socket_path: Path, verb: str) -> None:
    """Do something to the simulated phone or engine that listens on this socket."""
    engine = UnixConnection(socket_path)
    try:
        engine.request("POST", f"/_sim/{verb}")
        answer = engine.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        engine.close()


def engines_below(home: Path) -> list[int]:
    """Return the live processes whose working directory lies in a session directory of this home."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                cwd = Path(str((entry / "cwd").readlink()).removesuffix(" (deleted)"))
            except OSError:
                continue
            if cwd.is_relative_to(home / "sessions") and live_identity_of(int(entry.name)) is not None:
                found.append(int(entry.name))
    return found
