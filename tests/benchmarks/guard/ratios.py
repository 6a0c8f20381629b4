"""Measures a few ratios to the floors, and tells which of them got worse than they were recorded."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tests.benchmarks.measures.backlog import measure_backlog
from tests.benchmarks.measures.creation import measure_creation
from tests.benchmarks.measures.intake import measure_taking
from tests.benchmarks.measures.opening import measure_opening
from tests.benchmarks.measures.replacement import measure_replacement
from tests.benchmarks.measures.status import measure_status
from tests.benchmarks.rows import FLOOR, Row

Benchmarks = Mapping[str, Callable[[], Iterable[Row]]]
#: A ratio fails at so many times what was recorded, in each of so many tries.
SLACK: Final = 1.5
TRIES: Final = 3
#: All tries together take no longer: none begins that, as long as the longest one before it, would not end in time.
WITHIN_S: Final = 115.0
#: Much less than the whole benchmarks: on a quiet machine less than a minute for all.
SMALL: Final[Benchmarks] = {
    "status": lambda: islice(measure_status(50, 0.3, clients=[16]), 2),  # without those that have not changed
    "creation": lambda: measure_creation(50),
    "replacement": lambda: measure_replacement(25),
    "intake": lambda: measure_taking(2000),
    "backlog": lambda: measure_backlog(1000),
    "opening": lambda: measure_opening(3),
}
#: The rows that are guarded; the others of these benchmarks are not.
GUARDED: Final = frozenset(
    {
        "status of one, 16 clients",
        "status of all with CPU and memory, 16 clients",
        "create → running, median",
        "crash → replacement, median",
        "events taken",
        "delivery of 1000 waiting",
        "start → API open",
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What each try came to, of one ratio; `recorded` is what it was, None if it was never recorded."""

    name: str
    recorded: float | None
    tries: Sequence[float]

    @property
    def is_regressed(self) -> bool:
        """Tell whether even the best try is worse than the slack allows."""
        return self.recorded is None or min(self.tries) > self.recorded * SLACK

    def text(self) -> str:
        """Return all of it in words."""
        tries = ", ".join(f"{each:.2f}" for each in self.tries)
        recorded = "never recorded" if self.recorded is None else f"recorded {self.recorded:.2f}"
        return f"{'REGRESSED' if self.is_regressed else 'good':9}  {self.name}: {tries} ({recorded})"


def costs_of(rows: Iterable[Row], names: Iterable[str]) -> dict[str, float]:
    """Return of these rows how many times the floor's cost is ours, so that less is always better."""
    wanted, costs = set(names), dict[str, float]()
    for row in rows:
        ratio = row.ratio_to(FLOOR)
        if row.name in wanted and ratio:
            costs[row.name] = 1 / ratio if row.is_more_better else ratio
    return costs


def judge(benchmarks: Benchmarks, names: Iterable[str], recorded: Mapping[str, float]) -> Sequence[Verdict]:
    """Measure until everything is within the slack, but not more often than `TRIES`; return a verdict on each ratio."""

    def is_regressed(tries: Mapping[str, Sequence[float]]) -> bool:
        return any(Verdict(name, recorded.get(name), costs).is_regressed for name, costs in tries.items())

    return [
        Verdict(name, recorded.get(name), costs) for name, costs in measure(benchmarks, names, is_regressed).items()
    ]


def measure(
    benchmarks: Benchmarks, names: Iterable[str], is_wanted: Callable[[Mapping[str, Sequence[float]]], bool]
) -> Mapping[str, Sequence[float]]:
    """Return what each ratio came to in each try: every benchmark once, then again while what it gave makes it wanted.

    No benchmark is measured more often than `TRIES`, nor again when that might take all longer than `WITHIN_S`.
    """
    began_s, longest_s = time.monotonic(), 0.0
    tries: dict[str, dict[str, list[float]]] = {}
    for number in range(TRIES):
        for title, benchmark in benchmarks.items():
            found, begins_s = tries.setdefault(title, {}), time.monotonic()
            if number and (begins_s + longest_s > began_s + WITHIN_S or not is_wanted(found)):
                continue
            for name, cost in costs_of(benchmark(), names).items():
                found.setdefault(name, []).append(cost)
            longest_s = max(longest_s, time.monotonic() - begins_s)
    return {name: costs for found in tries.values() for name, costs in found.items()}
