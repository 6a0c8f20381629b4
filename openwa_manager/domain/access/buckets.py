"""How often something may happen: token buckets, each under a name."""

from collections import OrderedDict
from typing import Final

from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How often something may happen: `burst` times at once, and in the long run `per_s` times a second."""

    per_s: float
    burst: float

    def or_own(self, per_s: float | None, burst: float | None) -> "Rate":
        """Return this rate with what a key has of its own instead; None: it has none."""
        if per_s is None and burst is None:
            return self
        return Rate(per_s=self.per_s if per_s is None else per_s, burst=self.burst if burst is None else burst)

    def is_within(self, other: "Rate") -> bool:
        """Tell whether whoever keeps to this rate also keeps to the other."""
        return self.per_s <= other.per_s and self.burst <= other.burst


#: What a key may ask unless it says otherwise: a dashboard that shows 40 sessions opens at once.
CALLS: Final = Rate(per_s=20.0, burst=40.0)
#: Start and restart of one session together: each boots an engine, which takes up to half a minute.
STARTS: Final = Rate(per_s=3 / 30.0, burst=3.0)
#: Keys that are none, of one client: enough for whoever mistypes one, or has not been told the new one.
FAILED_LOGINS: Final = Rate(per_s=10 / 60.0, burst=10.0)
#: Sums of fractions differ by so little that nobody waits for it.
_ROUNDING_S: Final = 1e-6


class Buckets:
    """Buckets that are filled at a rate, and from which a token is taken for each thing that happens.

    Of each it is enough to know when it will be full again (the generic cell rate algorithm, ITU-T I.371): one that is
    full need not be known at all. At most `kept_max` are known; beyond that the one is forgotten that was used least
    recently, so that whoever comes under ever new names fills no memory. All times are seconds on one clock.
    """

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, rate: Rate, now_s: float) -> float:
        """Take a token and return 0, or take none and return how long it is until there is one."""
        latest_s = now_s + rate.burst / rate.per_s  # the rate may have been lower when the last token was taken
        full_at_s = min(latest_s, max(now_s, self._full_at_s.get(name, now_s)))
        wait_s = full_at_s - now_s - (rate.burst - 1) / rate.per_s
        is_taken = wait_s <= _ROUNDING_S
        self._full_at_s[name] = full_at_s + 1 / rate.per_s if is_taken else full_at_s
        self._full_at_s.move_to_end(name)
        if len(self._full_at_s) > self._kept_max:
            self._full_at_s.popitem(last=False)
        return 0.0 if is_taken else wait_s
