"""Ends daemons and engines as `kill -9` does, at random moments, and notes when."""

import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.peers.daemon import Daemon, eventually
from tests.messages.callers import ask
from tests.messages.truth import Break, books_of

#: How many of the daemon's kills wait for the most awkward moment, and for how long.
_AIMED, _AIM_S = 0.6, 3.0
#: A host that is slow has less time between the kills, but some.
_PAUSE_MIN_S = 0.3


@dataclass
class Killer:
    """Kills the daemon and the engines of these sessions so many times each, within about `spread_s` seconds."""

    daemon: Daemon
    sessions: Sequence[str]
    daemon_kills: int
    engine_kills: int
    spread_s: float
    chance: random.Random
    breaks: list[Break] = field(default_factory=list)

    def run(self) -> None:
        """Kill until all is done; the daemon lives at the end."""
        todo = ["daemon"] * self.daemon_kills + ["engine"] * self.engine_kills
        self.chance.shuffle(todo)
        began_s = time.monotonic()
        for victim, after_s in zip(todo, sorted(self.chance.uniform(0, self.spread_s) for _ in todo), strict=True):
            time.sleep(max(_PAUSE_MIN_S, began_s + after_s - time.monotonic()))
            if victim == "daemon":
                self.kill_daemon()
            else:
                self._kill_engine(self.chance.choice(self.sessions))

    def kill_daemon(self) -> None:
        """Kill it and start it again; one in five is killed once more while it starts."""
        if self.chance.random() < _AIMED:
            self._await_entry()
        at = now()
        self.daemon.kill()
        if self.chance.random() < 0.2:
            self.daemon.start(wait=False)
            time.sleep(self.chance.uniform(0.2, 1.2))
            self.daemon.kill()
        self.daemon.start()
        self.breaks.append(Break(at=at, back_at=now()))

    def _await_entry(self) -> None:
        """Return some milliseconds after WhatsApp got a message at most: its answer is on the way, or just came."""
        path = books_of(self.daemon.home, self.chance.choice(self.sessions))
        before, deadline = _size_of(path), time.monotonic() + _AIM_S
        while _size_of(path) == before and time.monotonic() < deadline:
            time.sleep(0.0002)
        time.sleep(self.chance.uniform(0, 0.006))

    def _kill_engine(self, session_id: str) -> None:
        pid = eventually(lambda: self._pid_of(session_id), every_s=0.01)
        at = now()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.breaks.append(Break(at=at, back_at=at + 1.0, session_id=session_id))

    def _pid_of(self, session_id: str) -> int | None:
        answer = ask(self.daemon, "GET", "/v1/registry")
        found = answer.body.get(session_id) if answer is not None and answer.status == 200 else None
        return found if isinstance(found, int) else None


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def now() -> float:
    """Return wall time."""
    return time.time()  # noqa: TID251 (compared with the times in the books)
