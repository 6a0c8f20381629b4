"""Measures what a daemon with sessions takes, how soon a killed one has them again, and how soon it stops them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from tests.benchmarks.daemons import pid_of, used_s
from tests.benchmarks.rows import OURS, Goal, Row
from tests.e2e.peers.daemon import Daemon, engines_below, eventually

#: What is left of a start or an adoption has happened by then; after 10 s each session without a code says so, once.
_SETTLED_S = 12.0
_PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Yields the rows of a daemon that has so many sessions."""

    daemon: Daemon
    sessions: int

    def row(self, name: str, unit: str, value: float, goal: float | None = None) -> Row:
        """Return a row of ours alone; `goal` is the most that is wanted."""
        goals = () if goal is None else (Goal("", goal),)
        return Row(name=name, unit=unit, sessions=self.sessions, values={OURS: value}, goals=goals)

    def memory(self) -> Iterator[Row]:
        """Weigh the daemon: all that is in memory for it, and its share of what it shares with others."""
        memory = psutil.Process(pid_of(self.daemon)).memory_full_info()
        yield self.row("RSS", "MB", memory.rss / 1e6, 80 + 0.1 * self.sessions)
        if pss_bytes := getattr(memory, "pss", 0):  # Linux only
            yield self.row("PSS", "MB", pss_bytes / 1e6)

    def idle(self, name: str, seconds: float, goal: float | None = None) -> Row:
        """Return what the daemon takes in a minute while nothing happens, in CPU seconds."""
        return self.row(name, "CPU-s/min", idle_cpu_s(self.daemon, seconds), goal)

    def recovery(self) -> Iterator[Row]:
        """Kill the daemon, start it again, and see how soon the new one answers and has every engine, none twice."""
        before = self.daemon.registry()
        self.daemon.kill()
        began_s = time.perf_counter()
        self.daemon.start(wait=False)
        eventually(lambda: is_open(self.daemon), every_s=0.005)
        opened_s = time.perf_counter() - began_s
        eventually(lambda: self.daemon.ask("GET", "/readyz").status == 200, within_s=_PATIENCE_S, every_s=0.005)
        adopted_s, adopted_cpu_s = time.perf_counter() - began_s, used_s(self.daemon)
        after = self.daemon.registry()
        adopted = sum(after.get(name) == pid for name, pid in before.items())
        yield self.row("kill -9 → API open", "s", opened_s)
        yield self.row("kill -9 → under control", "s", adopted_s, 1)
        yield self.row("kill -9 → under control, CPU", "CPU s", adopted_cpu_s)
        yield Row(
            name="  of its engines adopted",
            unit="count",
            sessions=self.sessions,
            values={OURS: adopted},
            is_more_better=True,
            goals=[Goal("", self.sessions)],
        )
        yield self.row("  lost", "count", len(before) - adopted, 0)
        yield self.row("  doubled", "count", len(engines_below(self.daemon.home)) - len(after), 0)

    def stops(self) -> Iterator[Row]:
        """Stop every session and wait until no engine runs."""
        before_s, began_s = used_s(self.daemon), time.perf_counter()
        self.daemon.ask("POST", "/v1/sessions/stop", {})
        eventually(lambda: not self.daemon.registry(), within_s=_PATIENCE_S, every_s=0.005)
        took_s = time.perf_counter() - began_s
        yield self.row("stop of all", "s", took_s, 0.3 if self.sessions <= 200 else 1.5)
        yield self.row("stop of all, CPU", "CPU s", used_s(self.daemon) - before_s)


def idle_cpu_s(daemon: Daemon, seconds: float) -> float:
    """Return what the daemon takes in a minute while nothing happens, in CPU seconds."""
    time.sleep(_SETTLED_S)
    before_s = used_s(daemon)
    time.sleep(seconds)
    return (used_s(daemon) - before_s) * 60 / seconds


def is_open(daemon: Daemon) -> bool:
    """Tell whether the API answers."""
    try:
        return daemon.ask("GET", "/livez").status == 200
    except OSError:
        return False
