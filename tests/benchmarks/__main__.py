"""Prints the measured promises as one table; absolute times depend on the machine, so nothing here asserts them."""

import sys
from collections.abc import Callable, Iterable, Mapping

from tests.benchmarks.access import measure_check, measure_flood
from tests.benchmarks.acks import measure_acks
from tests.benchmarks.delivery import measure_delivery
from tests.benchmarks.gateway import measure_gateway
from tests.benchmarks.intake import measure_intake
from tests.benchmarks.messages import (
    measure_acceptance,
    measure_gaps,
    measure_idle_queues,
    measure_sends,
    measure_waiting,
)
from tests.benchmarks.strangers import measure_strangers
from tests.benchmarks.supervision import (
    Figure,
    measure_creation,
    measure_qr_push,
    measure_replacement,
    measure_scale,
)

_SESSIONS, _ROUNDS, _SENDS, _ACKS = 200, 100, 3000, 30_000
_RECIPIENTS, _WAITING = 10_000, 200_000

#: Each measures a `share`-th of everything.
BENCHMARKS: Mapping[str, Callable[[int], Iterable[Figure]]] = {
    "creation": lambda share: measure_creation(_SESSIONS // share),
    "replacement": lambda share: measure_replacement(_ROUNDS // share),
    "qr_push": lambda share: measure_qr_push(_ROUNDS // share),
    "scale": lambda share: measure_scale(_SESSIONS // share, 60 / share),
    "gateway": lambda share: measure_gateway(_SENDS // share),
    "check": lambda share: measure_check(100_000 // share),
    "wrong_keys": lambda share: measure_flood(10.0 / share),
    "intake": measure_intake,
    "acks": lambda share: measure_acks(_ACKS // share),
    "delivery": measure_delivery,
    "acceptance": lambda share: measure_acceptance(_RECIPIENTS // share),
    "sends": lambda share: measure_sends(_ROUNDS * 5 // share),
    "gaps": lambda share: measure_gaps(_ROUNDS * 2 // share),
    "waiting": lambda share: measure_waiting(_WAITING // share),
    "strangers": lambda share: measure_strangers(_ROUNDS * 10 // share),
    "idle_queues": lambda share: measure_idle_queues(50, 60 / share),
}


def main() -> None:
    """Measure and print; `--quick` measures less, names (`make bench ARGS=delivery`) measure only those."""
    share = 10 if "--quick" in sys.argv else 1
    names = [word for word in sys.argv[1:] if not word.startswith("-")] or list(BENCHMARKS)
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for benchmark in names:
        for name, measured, goal in (figure.row() for figure in BENCHMARKS[benchmark](share)):
            print(f"{name:34} {measured:44} {goal}", flush=True)


if __name__ == "__main__":
    main()
