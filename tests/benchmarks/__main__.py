"""Prints the measured promises as one table; absolute times depend on the machine, so nothing here asserts them."""

import sys

from tests.benchmarks.gateway import measure_gateway
from tests.benchmarks.supervision import measure_creation, measure_qr_push, measure_replacement, measure_scale

_SESSIONS, _ROUNDS, _SENDS = 200, 100, 3000


def main() -> None:
    """Measure and print; `--quick` measures less."""
    share = 10 if "--quick" in sys.argv else 1
    figures = [
        *measure_creation(_SESSIONS // share),
        *measure_replacement(_ROUNDS // share),
        *measure_qr_push(_ROUNDS // share),
        *measure_scale(_SESSIONS // share),
        *measure_gateway(_SENDS // share),
    ]
    for name, measured, goal in (figure.row() for figure in figures):
        print(f"{name:34} {measured:44} {goal}")


if __name__ == "__main__":
    main()
