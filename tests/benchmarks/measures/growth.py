"""Measures how what a daemon costs grows with its sessions, whose engines cost nothing."""

import time
from collections.abc import Iterator, Sequence

from tests.benchmarks.daemons import SLEEPER, Line, running
from tests.benchmarks.measures.upkeep import idle_cpu_s, memory_rows, recovery_rows, stop_row
from tests.benchmarks.rows import OURS, Row, medians, percentiles


def measure_growth(sizes: Sequence[int], idle_s: float) -> Iterator[Row]:
    """For each size: create so many, weigh the daemon, leave it alone for `idle_s`, kill it, stop them all."""
    for sessions in sizes:
        with running({**SLEEPER, "PAIRING_WINDOW_S": "3600"}) as (daemon, line):
            samples = {OURS: [_creation_time_s(line, number) for number in range(sessions)]}
            for name, values in (("median", medians(samples, 1000)), ("p99", percentiles(samples, 99, 1000))):
                yield Row(name=f"create → running, {name}", unit="ms", sessions=sessions, values=values)
            yield from memory_rows(daemon, sessions)
            values = {OURS: idle_cpu_s(daemon, idle_s)}
            yield Row(name="idle while unpaired", unit="CPU-s/min", sessions=sessions, values=values)
            yield from recovery_rows(daemon, sessions)
            yield stop_row(daemon, sessions)


def _creation_time_s(line: Line, number: int) -> float:
    began_s = time.perf_counter()
    answer = line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
    assert isinstance(answer["pid"], int), answer
    return time.perf_counter() - began_s
