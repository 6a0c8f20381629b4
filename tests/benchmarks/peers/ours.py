"""Runs the daemon as the other contenders run: the trivial engine, its HTTP API through its unix socket."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from openwa_manager.domain.delivery.events import Json
from tests.benchmarks.daemons import SLEEPER
from tests.benchmarks.peers.contender import PATIENCE_S, Question
from tests.benchmarks.peers.exchange import Exchange, compose
from tests.benchmarks.rows import OURS
from tests.e2e.peers.daemon import Daemon, eventually

#: Limits are checked, and nothing here reaches them.
_LIMITS: Final = {"RATE_PER_S": "10000", "RATE_BURST": "100000"}
_QUESTIONS: Final = {
    Question.ONE: "/v1/sessions/s0",
    Question.ALL: "/v1/sessions?limit=1000",
    Question.USAGE: "/v1/sessions?limit=1000",
}
#: There is no call that starts all: whoever wants that asks for each.
_CLIENTS: Final = 16


class Manager:
    """This daemon, with its key checked in every call."""

    name = OURS
    is_slow = False
    can_create = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {**SLEEPER, **_LIMITS, "LOG_LEVEL": "warning"}
        self._daemon = Daemon(home=folder / "home", settings=settings, ready_within_s=PATIENCE_S)
        self._line: Exchange | None = None
        self._undo = ExitStack()

    def start(self) -> None:
        """Run `serve`, and wait until it is ready: every engine that lived is adopted."""
        if self._line is None:
            self._undo.enter_context(self._daemon)
        else:
            self._daemon.kill()  # it has ended already, and is reaped
            self._daemon.start(wait=False)
        eventually(self._is_ready, within_s=PATIENCE_S, every_s=0.005)

    def supervisor(self) -> int:
        """Return its one process."""
        assert self._daemon.process is not None
        return self._daemon.process.pid

    def own(self) -> Sequence[int]:
        """Return its one process."""
        return [self.supervisor()]

    def create(self, session: str) -> float:
        """Create a session; the answer comes once that is durable and the engine runs."""
        began = time.perf_counter()
        answer = self._ask("POST", "/v1/sessions", {"session_id": session})
        took_s = time.perf_counter() - began
        assert isinstance(answer["pid"], int), answer
        return took_s

    def remove(self, session: str) -> None:
        """Delete the session."""
        self._ask("DELETE", f"/v1/sessions/{session}")

    def start_all(self) -> None:
        """Start each session, 16 at a time."""
        assert self._line is not None
        wanted = [self._request("POST", f"/v1/sessions/{name}/start", {}) for name in self._names()]
        assert self._line.ask_all(wanted, _CLIENTS) == len(wanted)

    def stop_all(self) -> None:
        """Have all stopped; the answer comes before they are."""
        self._ask("POST", "/v1/sessions/stop", {})

    def pids(self) -> Mapping[str, int]:
        """Return its registry."""
        return {name: pid for name, pid in self._ask("GET", "/v1/registry").items() if isinstance(pid, int)}

    def save(self) -> None:
        """Do nothing: everything is durable."""

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:
        """Ask so, with the admin's key."""
        assert self._line is not None
        return self._line.rate(self._request("GET", _QUESTIONS[question]), clients, seconds)

    def list_argv(self) -> Sequence[str]:
        """Return `openwa-manager list`."""
        return (sys.executable, "-m", "openwa_manager", "list", "--home", str(self._daemon.home), "-o", "table")

    def environ(self) -> Mapping[str, str]:
        """Return the environment of its commands."""
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder)}

    def close(self) -> None:
        """Kill it."""
        if self._line is not None:
            self._line.close()
        if self._daemon.process is not None:
            self._daemon.kill()
        self._undo.close()

    def _is_ready(self) -> bool:
        assert self._daemon.process is not None
        assert self._daemon.process.poll() is None, self._daemon.log
        try:
            line = Exchange(self._daemon.home / "run" / "manager.sock")
        except OSError:
            return False
        try:
            line.ask(compose("GET", "/readyz", {}))
        except (OSError, RuntimeError):
            line.close()
            return False
        if self._line is not None:
            self._line.close()
        self._line = line
        return True

    def _names(self) -> list[str]:
        sessions = self._ask("GET", _QUESTIONS[Question.ALL])["sessions"]
        assert isinstance(sessions, list)
        return [str(each["session_id"]) for each in sessions if isinstance(each, dict)]

    def _ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> dict[str, Json]:
        assert self._line is not None
        answer: dict[str, Json] = json.loads(self._line.ask(self._request(method, path, body)) or b"{}")
        return answer

    def _request(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> bytes:
        key = {"X-API-Key": self._daemon.key}
        if body is None:
            return compose(method, path, key)
        return compose(method, path, {**key, "Content-Type": "application/json"}, json.dumps(body).encode())
