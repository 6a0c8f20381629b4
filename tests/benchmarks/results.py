"""Keeps what a run of benchmarks measured, and writes it as JSON."""

import json
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.machine import Quiet, describe, load
from tests.benchmarks.rows import FLOOR, Row

_FAILURE_LENGTH = 200


@dataclass
class Group:
    """The rows of one benchmark; `failure` says why there are no more, and is empty if all came."""

    name: str
    load_before: float
    spin_s: float
    load_after: float = 0.0
    took_s: float = 0.0
    rows: list[Row] = field(default_factory=list)
    failure: str = ""


@dataclass
class Results:
    """The groups of one run, and how quiet the machine was."""

    quiet: Quiet = field(default_factory=Quiet)
    groups: list[Group] = field(default_factory=list)

    def measure(self, name: str, benchmark: Callable[[], Iterable[Row]]) -> Group:
        """Run one benchmark and keep its rows, as far as it came."""
        group = Group(name, load(), self.quiet.look())
        self.groups.append(group)
        began_s = time.perf_counter()
        try:
            for row in benchmark():
                group.rows.append(row)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others go on)
            traceback.print_exc()
            group.failure = f"{type(error).__name__}: {error}".splitlines()[0][:_FAILURE_LENGTH]
        group.load_after, group.took_s = load(), time.perf_counter() - began_s
        return group

    @property
    def has_failed(self) -> bool:
        """Tell whether a benchmark broke off."""
        return any(group.failure for group in self.groups)

    def write(self, path: Path) -> None:
        """Write everything as one JSON object."""
        self.quiet.look()
        told = {
            "machine": describe(),
            "load_before": self.quiet.load_before,
            "spins_s": self.quiet.spins_s,
            "noise": self.quiet.noise(),
            "groups": [_group(group) for group in self.groups],
        }
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _group(group: Group) -> Mapping[str, object]:
    return {
        "name": group.name,
        "load_before": group.load_before,
        "load_after": group.load_after,
        "spin_s": group.spin_s,
        "took_s": group.took_s,
        "failure": group.failure or None,
        "rows": [_row(row) for row in group.rows],
    }


def _row(row: Row) -> Mapping[str, object]:
    best = row.best_peer()
    goals: Sequence[Mapping[str, object]] = [
        {"against": goal.against or None, "factor": goal.factor, "is_met": row.is_met(goal)} for goal in row.goals
    ]
    return {
        "name": row.name,
        "unit": row.unit,
        "sessions": row.sessions or None,
        "is_more_better": row.is_more_better,
        "values": row.values,
        "counts": row.counts,
        "missing": row.missing,
        "best_peer": best[0] if best else None,
        "to_best_peer": row.ratio_to(best[0]) if best else None,
        "to_floor": row.ratio_to(FLOOR),
        "goals": goals,
    }
