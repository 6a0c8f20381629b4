"""Fails if a ratio to a floor got worse: `make bench-guard`, and `ARGS=--record` to record what they are now."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.guard.ratios import GUARDED, SMALL, TRIES, costs_of, judge
from tests.benchmarks.machine import Quiet, describe
from tests.benchmarks.rows import Row

_RECORDED = Path(__file__).with_name("recorded.json")


def main(
    argv: Sequence[str],
    path: Path = _RECORDED,
    benchmarks: Mapping[str, Callable[[], Iterable[Row]]] = SMALL,
    names: Iterable[str] = GUARDED,
) -> int:
    """Measure and print; return 1 if a ratio got worse, or if one of `names` was not measured."""
    began_s, quiet = time.perf_counter(), Quiet()
    quiet.look()
    if "--record" in argv:
        _record(path, benchmarks, names, quiet)
        return 0
    recorded: Mapping[str, float] = json.loads(path.read_text("utf-8"))["ratios"]
    measured, is_good = set[str](), True
    for benchmark in benchmarks.values():
        for verdict in judge(lambda: costs_of(benchmark(), names), recorded):  # noqa: B023 (it is called at once)
            print(verdict.text(), flush=True)
            measured.add(verdict.name)
            is_good = is_good and not verdict.is_regressed
    if missing := sorted({*names} - measured):
        print(f"not measured: {', '.join(missing)}")
    quiet.look()
    noise = "".join(f"; {each}" for each in quiet.noise())
    print(f"{len(measured)} ratios in {time.perf_counter() - began_s:.0f} s{noise}")
    return 0 if is_good and not missing else 1


def _record(
    path: Path, benchmarks: Mapping[str, Callable[[], Iterable[Row]]], names: Iterable[str], quiet: Quiet
) -> None:
    """Write the median of a few tries of each ratio, and how it was measured."""
    tries: dict[str, list[float]] = {}
    for _ in range(TRIES):
        for benchmark in benchmarks.values():
            for name, cost in costs_of(benchmark(), names).items():
                tries.setdefault(name, []).append(cost)
        quiet.look()
    told = {
        "how": f"make bench-guard ARGS=--record: how many times the floor's cost is ours, the median of {TRIES} tries",
        "machine": describe(),
        "noise": quiet.noise(),
        "ratios": {name: round(statistics.median(costs), 3) for name, costs in tries.items()},
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps(told["ratios"], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
