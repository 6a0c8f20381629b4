"""Counts how long things took, in buckets."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

#: The upper bounds of the buckets, in seconds: of one commit, of a code's way to the backend, of the loop's lateness;
#: of how long messages wait.
COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
QR_PUSH_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
LOOP_LAG_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
SEND_HOLD_S = (0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)
#: Of an event's way to an endpoint, retries included, which go on for three days.
DELIVERY_S = (0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 21600.0, 86400.0)
#: Of an engine's start: a simulator takes half a second, OpenWA with a browser 10 s, and after 120 s it is given up.
START_S = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
#: From the first code until somebody has scanned one: a code lives for 20 to 60 s, a pairing window for 180 s.
PAIR_S = (2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 600.0)


class Durations:
    """How long something took each time, by buckets; one thread notes, any may read.

    Not prometheus_client's Histogram: whoever is never scraped need not load it, and nothing is global.
    """

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self.total_s = 0.0

    def note(self, seconds: float) -> None:
        """Note one duration; a wall clock that was set back makes it 0, for a sum must not fall."""
        lasted_s = max(0.0, seconds)
        self._counts[bisect_left(self._bounds_s, lasted_s)] += 1
        self.total_s += lasted_s

    @property
    def count(self) -> int:
        """Return how many were noted."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bound and count of all durations up to it, the last one without bound."""
        return list(zip([*map(str, self._bounds_s), "+Inf"], map(float, accumulate(self._counts)), strict=True))
