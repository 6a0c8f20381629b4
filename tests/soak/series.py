"""Tells whether what a program holds stays flat: a line through all but the beginning, and how far it may rise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, linear_regression

#: Caches fill first: this share of the time is not judged.
SETTLING_SHARE = 0.25


@dataclass(slots=True, kw_only=True)
class Series:
    """One figure over time; it may rise by `share` of its mean or by `allowance`, whichever is more."""

    name: str
    share: float
    allowance: float
    scale: float = 1.0
    samples: list[tuple[float, float]] = field(default_factory=list)

    def note(self, at_s: float, value: float) -> None:
        """Add what was seen at a time."""
        self.samples.append((at_s, value))

    def settled(self) -> list[tuple[float, float]]:
        """Return what was seen after the beginning."""
        if not self.samples:
            return []
        first, last = self.samples[0][0], self.samples[-1][0]
        return [each for each in self.samples if each[0] >= first + (last - first) * SETTLING_SHARE]

    def rise(self) -> float:
        """Return how far the line through what is judged rises from its beginning to its end; NaN of too little."""
        times, values = zip(*self.settled(), strict=True) if len(self.settled()) > 2 else ((), ())
        return linear_regression(times, values).slope * (times[-1] - times[0]) if times else float("nan")

    def limit(self) -> float:
        """Return how far it may rise."""
        settled = self.settled()
        return max(self.allowance, self.share * fmean(value for _, value in settled)) if settled else self.allowance

    def is_flat(self) -> bool:
        """Tell whether it rises no further than it may; False when too little was seen."""
        return self.rise() <= self.limit()

    def row(self) -> str:
        """Return beginning, quarters, rise and limit as a line of a table."""
        values = [value / self.scale for _, value in self.samples]
        shown = [values[round((len(values) - 1) * part / 4)] for part in range(5)]
        columns = "".join(f"{value:11,.1f}" for value in shown)
        rise, limit = self.rise() / self.scale, self.limit() / self.scale
        verdict = "flat" if self.is_flat() else "RISES"
        return f"{self.name:22}{columns}{max(values):11,.1f}{rise:+11.2f}{limit:11.2f}  {verdict}"


def table(series: Sequence[Series]) -> Iterator[str]:
    """Yield a line for each figure under one of headings."""
    headings = ("at first", "1/4", "1/2", "3/4", "at the end", "at most", "rise", "allowed")
    yield " " * 22 + "".join(f"{heading:>11}" for heading in headings)
    yield from (each.row() for each in series if each.samples)
