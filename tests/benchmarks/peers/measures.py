"""Measures one thing of one contender each; what is alternated between contenders is decided by the table."""

import os
import signal
import subprocess
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import psutil

from tests.benchmarks.peers import processes
from tests.benchmarks.peers.contender import PATIENCE_S, Contender
from tests.benchmarks.rows import OURS
from tests.e2e.peers.daemon import eventually

#: Between two looks at a supervisor's children.
_LOOK_S = 0.0005
#: An engine lives longer before it is killed: some supervisors wait before they replace what lived for less than 1 s.
_ENGINE_LIVES_S = 1.3
#: What a peer that does not work here ends with.
FAILURES: Final = (RuntimeError, OSError, AssertionError, subprocess.SubprocessError, psutil.Error, xmlrpc.client.Error)


def tell(error: BaseException) -> str:
    """Return what went wrong, in a line."""
    said = str(error).strip()
    return said.splitlines()[-1] if said else type(error).__name__


@dataclass(slots=True)
class Stand:
    """A contender with so many sessions, `s0` and on."""

    contender: Contender
    sessions: int
    #: Why it is measured no more; "" while it is.
    failure: str = ""
    _began_at_s: dict[str, float] = field(default_factory=dict)
    _turn: int = 0

    @property
    def name(self) -> str:
        """Return the contender's name."""
        return self.contender.name

    def attempt(self, measure: Callable[[], Sequence[float]]) -> Sequence[float]:
        """Return what is measured, nothing once a peer has failed. Where ours fails, the error is the caller's."""
        if self.failure:
            return []
        try:
            return measure()
        except FAILURES as error:
            if self.name == OURS:
                raise
            self.failure = tell(error)
            return []

    def fill(self, count: int) -> list[float]:
        """Create so many more; return after how many seconds each ran. Those above the number wanted are removed."""
        times_s: list[float] = []
        for _ in range(count):
            session = f"s{self._turn}"
            self._turn += 1
            times_s.append(self.contender.create(session))
            self._began_at_s[session] = time.monotonic()
            if self._turn > self.sessions:
                eventually(partial(self._runs, session), within_s=PATIENCE_S, every_s=0.001)
                self.contender.remove(session)
                del self._began_at_s[session]
        return times_s

    def require(self) -> list[float]:
        """Check that every session has a live engine."""
        eventually(lambda: len(self._living()) == self.sessions, within_s=PATIENCE_S, every_s=0.05)
        return []

    def replace(self) -> list[float]:
        """Kill an engine, each time another session's; return after how many seconds there was a new one."""
        session = min(self._began_at_s, key=lambda name: self._began_at_s[name])
        time.sleep(max(0.0, self._began_at_s[session] + _ENGINE_LIVES_S - time.monotonic()))
        pid = self.contender.pids()[session]
        parent = psutil.Process(pid).ppid()
        before = processes.children_of(parent)
        deadline_s = time.monotonic() + PATIENCE_S
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while not processes.children_of(parent) - before:
            assert time.monotonic() < deadline_s, f"{session} was not replaced"
            time.sleep(_LOOK_S)
        took_s = time.perf_counter() - began
        eventually(lambda: self.contender.pids().get(session) not in (None, pid), within_s=PATIENCE_S)
        self._began_at_s[session] = time.monotonic()
        return [took_s]

    def stop(self) -> list[float]:
        """Stop all; return after how many seconds no engine was left."""
        return [self._until(self.contender.stop_all, 0)]

    def start(self) -> list[float]:
        """Start all; return after how many seconds every session had an engine."""
        took_s = self._until(self.contender.start_all, self.sessions)
        self.require()
        self._began_at_s = dict.fromkeys(self._began_at_s, time.monotonic())
        return [took_s]

    def recover(self) -> list[float]:
        """Kill the supervisor, and run its usual command until every session has an engine again.

        Returns after how many seconds that was, and how many engines were adopted (same PID), lost (it had ended;
        another may run in its stead) or doubled (it runs on, and another beside it). The doubled are ended afterwards.
        """
        self.contender.save()
        before = self.contender.pids()
        processes.kill([self.contender.supervisor()])
        began = time.perf_counter()
        self.contender.start()
        eventually(lambda: len(self._living()) == self.sessions, within_s=PATIENCE_S, every_s=0.01)
        took_s = time.perf_counter() - began
        after = self.contender.pids()
        adopted = [name for name, pid in before.items() if after.get(name) == pid]
        doubled = [name for name, pid in before.items() if name not in adopted and processes.is_alive(pid)]
        processes.kill(before[name] for name in doubled)
        lost = len(before) - len(adopted) - len(doubled)
        return [took_s, len(adopted), lost, len(doubled)]

    def restart(self) -> list[float]:
        """Kill the supervisor and start it again; return after how many seconds it answered."""
        processes.kill([self.contender.supervisor()])
        began = time.perf_counter()
        self.contender.start()
        return [time.perf_counter() - began]

    def show(self) -> list[float]:
        """Run its command that lists the sessions; return how many seconds that takes."""
        argv, environ = self.contender.list_argv(), self.contender.environ()
        began = time.perf_counter()
        subprocess.run(
            argv, env=environ, cwd=self.contender.folder, check=True, capture_output=True, timeout=PATIENCE_S
        )
        return [time.perf_counter() - began]

    def weigh(self) -> list[float]:
        """Return RSS and PSS of the supervisor's own processes, in bytes."""
        return [*processes.memory_bytes(self.contender.own())]

    def spend(self) -> list[float]:
        """Return the CPU seconds that the supervisor's own processes have taken so far."""
        return [processes.cpu_s(self.contender.own())]

    def _runs(self, session: str) -> bool:
        """Tell whether the engine's own program runs: until then a signal may be its supervisor's, and be lost."""
        pid = self.contender.pids().get(session)
        return pid is not None and processes.is_engine(pid)

    def _living(self) -> Sequence[int]:
        return [pid for pid in self.contender.pids().values() if processes.is_alive(pid)]

    def _until(self, call: Callable[[], None], count: int) -> float:
        own = self.contender.own()
        failures: list[Exception] = []
        thread = threading.Thread(target=_call, args=(call, failures), daemon=True)
        deadline_s = time.monotonic() + PATIENCE_S
        began = time.perf_counter()
        thread.start()
        while len(processes.engines_of(own)) != count and not failures:
            assert time.monotonic() < deadline_s, f"not {count} engines in time"
            time.sleep(_LOOK_S)
        took_s = time.perf_counter() - began
        thread.join(PATIENCE_S)
        if failures:
            raise failures[0]
        return took_s


def _call(call: Callable[[], None], failures: list[Exception]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 (raised again by whoever waits)
        failures.append(error)


def end(contender: Contender) -> None:
    """End a contender and all that it started."""
    with suppress(ProcessLookupError):
        contender.close()
    processes.sweep(contender.folder)
