"""Fails if a ratio to a floor got worse: `make bench-guard`, and `ARGS=--record` to record what they are now."""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.guard.ratios import GUARDED, SMALL, Benchmarks, judge, measure
from tests.benchmarks.machine import Quiet, describe

_RECORDED = Path(__file__).with_name("recorded.json")


def main(
    argv: Sequence[str],
    path: Path = _RECORDED,
    benchmarks: Benchmarks = SMALL,
    names: Iterable[str] = GUARDED,
) -> int:
    """Measure and print; return 1 if a ratio got worse, if one of `names` was not measured, or if nothing is recorded.

    Nothing is recorded on a machine on which more wants to run than it has cores; other noise is noted.
    """
    began_s, quiet = time.perf_counter(), Quiet()
    quiet.look()
    if "--record" in argv:
        return _record(path, benchmarks, names, quiet)
    recorded: Mapping[str, float] = json.loads(path.read_text("utf-8"))["ratios"]
    verdicts = judge(benchmarks, names, recorded)
    for verdict in verdicts:
        print(verdict.text())
    if missing := sorted({*names} - {verdict.name for verdict in verdicts}):
        print(f"not measured: {', '.join(missing)}")
    quiet.look()
    noise = "".join(f"; {each}" for each in quiet.noise())
    print(f"{len(verdicts)} ratios in {time.perf_counter() - began_s:.0f} s{noise}")
    return 1 if missing or any(verdict.is_regressed for verdict in verdicts) else 0


def _record(path: Path, benchmarks: Benchmarks, names: Iterable[str], quiet: Quiet) -> int:
    """Write the median of a few tries of each ratio, and how it was measured."""
    if quiet.load_before > (os.cpu_count() or 1):
        print(f"not recorded: {quiet.noise()[0]}")
        return 1
    tries = measure(benchmarks, names, lambda _: True)
    quiet.look()
    count = min(map(len, tries.values()))
    told = {
        "how": f"make bench-guard ARGS=--record: how many times the floor's cost is ours, the median of {count} tries",
        "machine": describe(),
        "noise": quiet.noise(),
        "ratios": {name: round(statistics.median(costs), 3) for name, costs in tries.items()},
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps(told, indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
