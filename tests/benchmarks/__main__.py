"""Measures the daemon beside the floors, and with `--peers` beside other supervisors; draws tables and writes JSON."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.measures.access import measure_check, measure_flood
from tests.benchmarks.measures.acks import measure_acks
from tests.benchmarks.measures.backlog import measure_backlog
from tests.benchmarks.measures.batches import measure_acceptance, measure_waiting
from tests.benchmarks.measures.creation import measure_creation
from tests.benchmarks.measures.delivery import measure_delivery
from tests.benchmarks.measures.gateway import measure_gateway
from tests.benchmarks.measures.growth import measure_growth
from tests.benchmarks.measures.intake import measure_intake
from tests.benchmarks.measures.loads import measure_loads
from tests.benchmarks.measures.opening import measure_cli, measure_opening
from tests.benchmarks.measures.pruning import measure_pruning
from tests.benchmarks.measures.qr_push import measure_qr_push
from tests.benchmarks.measures.queues import measure_gaps, measure_idle_queues, measure_sends
from tests.benchmarks.measures.replacement import measure_lateness, measure_replacement
from tests.benchmarks.measures.scale import measure_scale
from tests.benchmarks.measures.status import measure_status
from tests.benchmarks.measures.strangers import measure_strangers
from tests.benchmarks.peers.table import measure_peers
from tests.benchmarks.results import Results
from tests.benchmarks.rows import Row
from tests.benchmarks.table import draw

#: Each measures a `share`-th of everything.
BENCHMARKS: Mapping[str, Callable[[int], Iterable[Row]]] = {
    "creation": lambda share: measure_creation(200 // share),
    "replacement": lambda share: measure_replacement(100 // share),
    "lateness": lambda share: measure_lateness(20 // share),
    "status": lambda share: measure_status(200 // share, 0.6 / share),
    "status_of_1000": lambda share: measure_status(1000 // share, 0.5 / share),
    "opening": lambda share: measure_opening(8 // share),
    "cli": lambda share: measure_cli(10 // share),
    "qr_push": lambda share: measure_qr_push(100 // share),
    "growth": measure_growth,
    "scale": lambda share: measure_scale(200 // share, 25 / share),
    "gateway": lambda share: measure_gateway(1000 // share),
    "check": lambda share: measure_check(50_000 // share),
    "wrong_keys": lambda share: measure_flood(6 / share),
    "intake": measure_intake,
    "acks": lambda share: measure_acks(9_000 // share),
    "backlog": lambda share: measure_backlog(10_000 // share),
    "delivery": measure_delivery,
    "acceptance": lambda share: measure_acceptance(10_000 // share),
    "sends": lambda share: measure_sends(500 // share),
    "gaps": lambda share: measure_gaps(100 // share),
    "waiting": lambda share: measure_waiting(200_000 // share),
    "pruning": measure_pruning,
    "loads": measure_loads,
    "strangers": lambda share: measure_strangers(500 // share),
    "idle_queues": lambda share: measure_idle_queues(50, 12 / share),
}
#: With how many sessions the other supervisors are measured, and we beside them; more than 200 are ours alone.
_SIZES = (1, 50, 200, 1000)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write; return 1 if a benchmark failed."""
    options = _parse(argv)
    path = options.json or Path(tempfile.mkdtemp(prefix="openwa-bench-"), "bench.json")
    share, results = (10 if options.quick else 1), Results()
    chosen = {name: BENCHMARKS[name] for name in options.names or BENCHMARKS}
    if options.peers:
        chosen["peers"] = lambda share: measure_peers(share, sorted({max(1, size // share) for size in _SIZES}))
    for name, benchmark in chosen.items():
        group = results.measure(name, lambda: benchmark(share))  # noqa: B023 (it is called at once)
        print(draw(name, group.rows))
        print(
            f"{name} took {group.took_s:.0f} s", *([f"failed: {group.failure}"] if group.failure else []), "", sep="\n"
        )
        sys.stdout.flush()
    results.write(path)
    print(f"All of it took {sum(group.took_s for group in results.groups):.0f} s.")
    noise = results.quiet.noise()
    print(f"This run was noisy: {'; '.join(noise)}." if noise else "This run was quiet.")
    print(f"All of it as JSON: {path}")
    return 1 if results.has_failed else 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--peers", action="store_true", help="other supervisors, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the JSON is written")
    options = parser.parse_args(argv)
    if unknown := sorted({*options.names} - BENCHMARKS.keys()):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    return options


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    sys.exit(main())
