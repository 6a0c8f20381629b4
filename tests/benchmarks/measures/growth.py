"""Measures what each operation costs with few sessions and with many: it grows no faster than their number."""

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain

from tests.benchmarks.clients import ask_here
from tests.benchmarks.daemons import SLEEPER, Line, running, used_s
from tests.benchmarks.measures.upkeep import Upkeep
from tests.benchmarks.rows import OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import Daemon, eventually

SIZES = (50, 200, 1000)
#: Twice the sessions may cost twice as much, and a little for what a busy machine adds.
LINEAR = 1.15
#: What is done for one session costs the same however many there are, but for what a search among them takes.
FLAT = 0.3
_OF_ONE = ("create", "create → running, median", "status of one")
#: So much of a cost, in the row's unit, is the clock's own step or the least there is: no exponent is made of it.
_LEAST = 0.01
_STARTING = 16
_PATIENCE_S = 300.0


def measure_growth(share: int) -> Iterator[Row]:
    """Measure everything at each size, with `/bin/sleep` as engine, which nobody pairs.

    The last rows tell the exponent of each cost between the smallest and the largest size: 1 is linear, 0 is flat.
    """
    rows: list[Row] = []
    for row in chain.from_iterable(_measure(sessions // share, share) for sessions in SIZES):
        rows.append(row)
        yield row
    yield from growth_of(rows)


def growth_of(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each cost with the exponent between its least and its most sessions."""
    by_name: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if not row.is_more_better:
            by_name[row.name][row.sessions] = row.values[OURS]
    for name, values in by_name.items():
        few, many = min(values), max(values)
        if few < many and values[few] > _LEAST and values[many] > _LEAST:
            exponent = math.log(values[many] / values[few]) / math.log(many / few)
            goals = (Goal(against="", factor=FLAT if name in _OF_ONE else LINEAR),)
            yield Row(name=f"growth of: {name}", unit="exponent", values={OURS: exponent}, sessions=many, goals=goals)


def _measure(sessions: int, share: int) -> Iterator[Row]:
    with running(SLEEPER) as (daemon, line):
        upkeep = Upkeep(daemon, sessions)
        yield from _creation(upkeep, line)
        for name, path, count in (
            ("status of one", f"/v1/sessions/s{sessions // 2}", 300),
            ("status of all", "/v1/sessions?limit=1000", 30),
            ("metrics scrape", "/metrics", 30),
        ):
            cpu_s = _cpu_s(daemon, partial(daemon.ask, "GET", path), max(3, count // share))
            yield upkeep.row(name, "CPU ms", cpu_s * 1000)
        yield from upkeep.memory()
        yield upkeep.idle("idle, unpaired", 12.0 / share)
        yield from upkeep.recovery()
        yield from upkeep.stops()
        yield from _start(upkeep)


def _creation(upkeep: Upkeep, line: Line) -> Iterator[Row]:
    before_s = used_s(upkeep.daemon)
    created_s = {OURS: [_create(line, number) for number in range(upkeep.sessions)]}
    yield upkeep.row("create", "CPU ms", (used_s(upkeep.daemon) - before_s) / upkeep.sessions * 1000)
    yield upkeep.row("create → running, median", "ms", medians(created_s, 1000)[OURS])
    yield upkeep.row("create → running, p99", "ms", percentiles(created_s, 99, 1000)[OURS])


def _create(line: Line, number: int) -> float:
    """Return how long it took until its process ran, in seconds."""
    began = time.perf_counter()
    answer = line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
    took_s = time.perf_counter() - began
    os.kill(int(str(answer["pid"])), 0)
    return took_s


def _start(upkeep: Upkeep) -> Iterator[Row]:
    """Start every session, some callers at a time, and wait until all engines run."""
    daemon, key = upkeep.daemon, upkeep.daemon.key
    requests = [_start_request(number, key) for number in range(upkeep.sessions)]
    before_s, began_s = used_s(daemon), time.perf_counter()
    ask_here(str(daemon.home / "run" / "manager.sock"), requests, clients=_STARTING)
    eventually(lambda: len(daemon.registry()) == upkeep.sessions, within_s=_PATIENCE_S, every_s=0.005)
    yield upkeep.row("start of all", "s", time.perf_counter() - began_s)
    yield upkeep.row("start of all, CPU", "CPU s", used_s(daemon) - before_s)


def _start_request(number: int, key: str) -> bytes:
    path = f"/v1/sessions/s{number}/start?wait=0"
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: 0\r\n\r\n".encode()


def _cpu_s(daemon: Daemon, work: Callable[[], object], count: int) -> float:
    """Return the daemon's CPU time for one of so many calls."""
    work()
    before_s = used_s(daemon)
    for _ in range(count):
        work()
    return (used_s(daemon) - before_s) / count
