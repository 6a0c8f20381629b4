"""Measures how soon the process of a new session runs, all of it on disk."""

import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import count

from tests.benchmarks.daemons import SLEEPER, Line, running
from tests.benchmarks.floors.disk import commit_times
from tests.benchmarks.floors.prototype import running_prototype
from tests.benchmarks.floors.spawning import spawn_times
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians, percentiles

_ROUNDS = 5


def measure_creation(sessions: int) -> Iterator[Row]:
    """Create sessions one after the other; the answer comes once the commit is durable and the process runs."""
    each = max(1, sessions // _ROUNDS)
    with running(SLEEPER) as (_, ours), running_prototype() as prototype:
        names = count()
        contenders = {
            OURS: partial(_create, ours, names, each),
            FLOOR: partial(_create, Line(prototype), names, each),
            "commit": partial(commit_times, each),
            "spawn": partial(spawn_times, each),
        }
        samples = alternate(contenders, _ROUNDS)
    middle, high = medians(samples, 1000), percentiles(samples, 99, 1000)
    yield Row(
        name="create → running, median",
        unit="ms",
        sessions=sessions,
        values={name: middle[name] for name in (OURS, FLOOR)},
        goals=[Goal(FLOOR, 1.5)],
    )
    yield Row(
        name="create → running, p99",
        unit="ms",
        sessions=sessions,
        values={name: high[name] for name in (OURS, FLOOR)},
    )
    values = {OURS: high[OURS], FLOOR: high["commit"]}
    yield Row(
        name="  beside the p99 of one commit", unit="ms", sessions=sessions, values=values, goals=[Goal(FLOOR, 2)]
    )
    values = {OURS: middle[OURS], FLOOR: middle["spawn"]}
    yield Row(name="  beside posix_spawn alone, median", unit="ms", sessions=sessions, values=values)


def _create(line: Line, names: "count[int]", sessions: int) -> list[float]:
    times_s: list[float] = []
    for _ in range(sessions):
        body = {"session_id": f"s{next(names)}"}
        began_s = time.perf_counter()
        answer = line.ask("POST", "/v1/sessions", body)
        times_s.append(time.perf_counter() - began_s)
        assert isinstance(answer["pid"], int), answer
        os.kill(answer["pid"], 0)
    return times_s
