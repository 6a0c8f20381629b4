"""What a check is, and how it measures."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from openwa_manager.domain.delivery.events import Json

#: What was found, by name. Bytes stand in it as hex digits.
Facts = Mapping[str, "Json"]


class SelftestCheck(NamedTuple):
    """One thing to find out: `name` is a function of the module `room` in `checks`.

    What it has yielded by its deadline counts also when it is cut then.
    """

    name: str
    room: str
    deadline_s: float = 8.0

    @property
    def measure(self) -> Callable[[Path], Iterator[Facts]]:
        """Return the function that yields the facts, given an empty directory of its own; imports its module."""
        module = import_module(f"openwa_manager.cli.selftest.checks.{self.room}")
        measure: Callable[[Path], Iterator[Facts]] = getattr(module, self.name)
        return measure


def hex_of(content: bytes | None) -> str | None:
    """Return bytes as hex digits; None stays None."""
    return None if content is None else content.hex()


def took_s(action: Callable[[], object]) -> float:
    """Return how long it takes to do this once."""
    begun_s = time.perf_counter()
    action()
    return time.perf_counter() - begun_s


def spread_ms(durations_s: list[float]) -> dict[str, "Json"]:
    """Return the middle, the ninth of ten and the longest of these durations; None where there is none."""
    if not durations_s:
        return {"count": 0, "median_ms": None, "p90_ms": None, "max_ms": None}
    in_order = sorted(durations_s)
    return {
        "count": len(in_order),
        "median_ms": rounded_ms(statistics.median(in_order)),
        "p90_ms": rounded_ms(in_order[len(in_order) * 9 // 10]),
        "max_ms": rounded_ms(in_order[-1]),
    }


def rounded_ms(duration_s: float) -> float:
    """Return a duration in milliseconds, to the microsecond."""
    return round(duration_s * 1e3, 3)


def outcome_of(action: Callable[[], object]) -> str:
    """Do this, and return `ok`, or the name of the error that came of it, as `EADDRINUSE`."""
    try:
        action()
    except (OSError, ValueError) as error:
        return error_name(error)
    return "ok"


def error_name(error: BaseException) -> str:
    """Return the name by which a system error is known; for others the name of their class."""
    import errno

    number = getattr(error, "errno", None)
    return errno.errorcode.get(number, str(number)) if isinstance(number, int) else type(error).__name__
