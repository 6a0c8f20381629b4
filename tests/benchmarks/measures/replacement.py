"""Measures how soon a process that was killed is replaced, and how exactly a back-off ends. Linux only."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from signal import SIGKILL

from tests.benchmarks.children import children_of, replacement_time_s
from tests.benchmarks.daemons import SLEEPER, Line, pid_of, running
from tests.benchmarks.floors.exits import running_replacer
from tests.benchmarks.floors.prototype import running_prototype
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians, percentiles
from tests.e2e.peers.daemon import Daemon, eventually

_ROUNDS = 5


@dataclass
class _Supervised:
    """A supervisor with one engine."""

    supervisor: int
    pid: int

    def times(self, count: int) -> list[float]:
        """Kill the engine so often and return how long each replacement took, in seconds."""
        times_s: list[float] = []
        for _ in range(count):
            time_s, self.pid = replacement_time_s(self.supervisor, self.pid)
            times_s.append(time_s)
            eventually(lambda: children_of(self.supervisor) == {self.pid}, every_s=0.002)
        return times_s


def measure_replacement(kills: int) -> Iterator[Row]:
    """Kill an engine and look at its supervisor's children until there is another; the back-off is 0.

    No API is asked: a caller in a tight loop would take the processor that the replacement needs.
    """
    with ExitStack() as stack:
        daemon, _ = stack.enter_context(running(SLEEPER))
        prototype, replacer = stack.enter_context(running_prototype()), stack.enter_context(running_replacer())
        created = Line(prototype).ask("POST", "/v1/sessions", {"session_id": "acme"})
        contenders = {
            OURS: _Supervised(pid_of(daemon), daemon.create("acme").number("pid")),
            FLOOR: _Supervised(prototype.pid, int(str(created["pid"]))),
            "pidfd": _Supervised(replacer, *children_of(replacer)),
        }
        each = max(1, kills // _ROUNDS)
        samples = alternate({name: partial(one.times, each) for name, one in contenders.items()}, _ROUNDS)
    middle, high = medians(samples, 1000), percentiles(samples, 99, 1000)
    both = (OURS, FLOOR)
    values = {name: middle[name] for name in both}
    yield Row(name="crash → replacement, median", unit="ms", sessions=1, values=values, goals=[Goal(FLOOR, 1.5)])
    values = {name: high[name] for name in both}
    yield Row(name="crash → replacement, p99", unit="ms", sessions=1, values=values)
    values = {OURS: middle[OURS], FLOOR: middle["pidfd"]}
    yield Row(name="  beside pidfd and posix_spawn, median", unit="ms", sessions=1, values=values)


def measure_lateness(kills: int) -> Iterator[Row]:
    """Kill an engine under a back-off and compare when the daemon said it would restart with when it did."""
    late_s: list[float] = []
    with running({**SLEEPER, "BACKOFF_FIRST_S": "0.3", "BACKOFF_MAX_S": "0.3"}) as (daemon, _):
        supervisor, pid = pid_of(daemon), daemon.create("acme").number("pid")
        for _ in range(kills):
            before = children_of(supervisor)
            os.kill(pid, SIGKILL)
            said = eventually(lambda: _next_restart_at(daemon))
            while not (fresh := children_of(supervisor) - before):
                time.sleep(0.0002)
            late_s.append(time.time() - said)  # noqa: TID251 (compared with what the daemon said)
            pid = fresh.pop()
            eventually(lambda: daemon.registry().get("acme") == pid)  # noqa: B023 (it is asked at once)
    values = medians({OURS: late_s}, 1000)
    yield Row(name="end of a back-off → running, median", unit="ms", sessions=1, values=values, goals=[Goal("", 5)])


def _next_restart_at(daemon: Daemon) -> float:
    """Return when the engine is to be started again, wall time; 0 while nothing is planned."""
    restarts = daemon.session("acme").body["restarts"]
    assert isinstance(restarts, dict)
    return datetime.fromisoformat(str(restarts["next_at"])).timestamp() if restarts["next_at"] else 0.0
