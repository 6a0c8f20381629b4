"""What a benchmark yields: rows that say one thing of several contenders, measured in turn on the same work."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: The daemon, and the least that the same work costs without it.
OURS: Final = "openwa-manager"
FLOOR: Final = "floor"


@dataclass(frozen=True, slots=True)
class Goal:
    """How ours shall stand to another: `factor` times as much as `against` at most, or at least where more is better.

    `against` is a contender's name; "" means that `factor` is an amount in the row's own unit.
    """

    against: str
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of each contender in `unit`, at so many sessions (0: they do not matter).

    `counts` are how many measurements a contender's figure is from, where they are told; `missing` says why a contender
    has no figure.
    """

    name: str
    unit: str
    values: Mapping[str, float]
    sessions: int = 0
    is_more_better: bool = False
    goals: Sequence[Goal] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def best_peer(self) -> tuple[str, float] | None:
        """Return the best of those that are neither ours nor the floor; None without any."""
        peers = {name: value for name, value in self.values.items() if name not in (OURS, FLOOR)}
        if not peers:
            return None
        return (max if self.is_more_better else min)(peers.items(), key=lambda peer: peer[1])

    def ratio_to(self, name: str) -> float | None:
        """Return how many times the other's figure ours is; None if one of both is missing or the other's is 0."""
        ours, other = self.values.get(OURS), self.values.get(name)
        return ours / other if ours is not None and other else None

    def is_met(self, goal: Goal) -> bool | None:
        """Tell whether a goal is met; None if that cannot be told."""
        reached = self.values.get(OURS) if not goal.against else self.ratio_to(goal.against)
        if reached is None:
            return None
        return reached >= goal.factor if self.is_more_better else reached <= goal.factor


def alternate(contenders: Mapping[str, Callable[[], Sequence[float]]], rounds: int = 3) -> dict[str, list[float]]:
    """Return what each contender's call yields, all rounds together.

    They take turns (A B A B), so that a machine whose speed drifts is no one's advantage.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            samples[name].extend(measure())
    return samples


def medians(samples: Mapping[str, Sequence[float]], scale: float = 1.0) -> dict[str, float]:
    """Return the median of each contender's samples, times `scale` (1000 for seconds that are told in ms)."""
    return {name: statistics.median(values) * scale for name, values in samples.items() if values}


def percentiles(samples: Mapping[str, Sequence[float]], percent: float, scale: float = 1.0) -> dict[str, float]:
    """Return that percentile of each contender's samples, times `scale`."""
    found: dict[str, float] = {}
    for name, values in samples.items():
        if values:
            ordered = sorted(values)
            found[name] = ordered[min(len(ordered) - 1, round(percent / 100 * len(ordered)))] * scale
    return found
