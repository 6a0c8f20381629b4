"""What a time of attacks has shown: numbers, a table of them, and which lines of the judgement failed."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.soak.census import Census
from tests.soak.meter import Sample

#: What is promised.
P99_MS, RSS_BYTES, DELETED_WITHIN_S = 100.0, 200_000_000, 31.0
#: How many times slower than a bare server beside the same load we may be where the machine itself is slow.
_FACTOR = 3.0
_SHOWN = 5


class Window(NamedTuple):
    """When an attack of this name went on (wall time)."""

    name: str
    begin: float
    end: float

    @classmethod
    def read(cls, line: str) -> "Window":
        """Return what the attacking callers told."""
        told = json.loads(line)
        return cls(told["name"], told["from"], told["until"])

    def holds(self, at: float) -> bool:
        """Tell whether a moment lies in it."""
        return self.begin <= at <= self.end


class Answered(NamedTuple):
    """How a deletion was answered."""

    name: str
    status: int
    took_s: float


@dataclass
class Messages:
    """What the neighbours were sent, by text, and what came of it."""

    sent: dict[str, tuple[str, float]] = field(default_factory=dict)
    arrived: dict[str, tuple[str, float]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def read(self, path: Path) -> None:
        """Take what the receiver has written down."""
        newest: dict[str, int] = {}
        self.arrived.clear()
        self.wrong.clear()
        for line in path.read_text().splitlines():
            told = json.loads(line)
            if not told["is_signed"]:
                self.wrong.append(f"not signed: {line}")
            text, session = told["text"], told["session"]
            if text in self.sent and text not in self.arrived:
                self.arrived[text] = (session, told["at"])
                if told["seq"] < newest.get(session, 0):
                    self.wrong.append(f"{session}: {told['seq']} after {newest[session]}")
                newest[session] = told["seq"]

    def all_arrived(self, path: Path) -> bool:
        """Tell whether nothing is under way any more."""
        self.read(path)
        return self.sent.keys() <= self.arrived.keys()

    def lost(self) -> list[str]:
        """Return what did not arrive, or at somebody else's."""
        return [text for text, (name, _) in self.sent.items() if self.arrived.get(text, ("", 0))[0] != name]

    def delays_ms(self) -> list[float]:
        """Return how long each message took that arrived."""
        return [(self.arrived[text][1] - at) * 1000 for text, (_, at) in self.sent.items() if text in self.arrived]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so many percent of all are not above; NaN of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * share / 100) - 1)] if ordered else math.nan


@dataclass
class Judgement:
    """All that was seen."""

    samples: list[Sample]
    hostile: Window
    windows: list[Window]
    census: Census
    deletions: list[Answered]
    messages: Messages
    disturbed: list[str]
    planted: list[str]
    spied: list[str]
    spied_count: int
    errors: list[str]

    def failures(self, *, judges_latency: bool = True) -> list[str]:
        """Return which promises did not hold, those about time left out if need be."""
        lost, limit_s = self.messages.lost(), DELETED_WITHIN_S if judges_latency else math.inf
        slow = [each for each in self.deletions if each.status not in (202, 204) or each.took_s > limit_s]
        found = [
            (self.census.doubles, f"more than one engine in a directory: {self.census.doubles[:_SHOWN]}"),
            (self.planted, f"beside an engine planted by hand: {self.planted[:_SHOWN]}"),
            (self.disturbed, f"neighbours ended or lost their link: {self.disturbed}"),
            (self.peak_rss() > RSS_BYTES, f"the daemon grew to {self.peak_rss() / 1e6:.0f} MB"),
            (self.spied, f"an engine reached what it must not: {sorted(set(self.spied))[:_SHOWN]}"),
            (slow, f"deletions not answered: {slow[:_SHOWN]}"),
            (lost, f"{len(lost)} messages of neighbours lost: {lost[:_SHOWN]}"),
            (self.messages.wrong, f"out of order or unsigned: {self.messages.wrong[:_SHOWN]}"),
            (judges_latency and self._late(), f"slower than {P99_MS:g} ms, and than the machine: {self._late()}"),
            (judges_latency and self._refused(), f"neighbours' calls that failed: {self._refused()}"),
        ]
        return [text for is_broken, text in found if is_broken]

    def peak_rss(self) -> int:
        """Return the most memory the daemon had (bytes)."""
        return max((value for _, value in self.census.rss), default=0)

    def _times(self, kind: str, *, hostile: bool) -> list[float]:
        return [each.ms for each in self.samples if each.kind == kind and (each.at >= self.hostile.begin) == hostile]

    def _late(self) -> list[str]:
        """Return which calls were slower than promised, and than the machine alone explains."""
        machine = percentile(self._times("bare", hostile=True), 99) + percentile(
            self._times("engine", hostile=True), 99
        )
        limit = max(P99_MS, _FACTOR * machine)
        p99s = {kind: percentile(self._times(kind, hostile=True), 99) for kind in ("livez", "show", "send")}
        return [f"{kind}: p99 {p99:.0f} ms, allowed {limit:.0f}" for kind, p99 in p99s.items() if not p99 <= limit]

    def _refused(self) -> dict[str, int]:
        return dict(Counter(f"{each.kind} {each.status}" for each in self.samples if not 200 <= each.status < 300))

    def table(self) -> str:
        """Return everything as text, the verdict last."""
        return "\n".join([*self._latencies(), *self._by_attack(), *self._rest(), *self._verdict()])

    def _latencies(self) -> Iterator[str]:
        yield f"{'ms':22}{'p50':>9}{'p99':>9}{'max':>9}   {'count':>7}"
        for hostile in (False, True):
            for kind in ("bare", "engine", "livez", "show", "send"):
                times = self._times(kind, hostile=hostile)
                name = f"{kind}, {'attacked' if hostile else 'in peace'}"
                yield _row(name, times) + f"   {len(times):7}"
        yield _row("delivery of a message", self.messages.delays_ms()) + f"   {len(self.messages.sent):7}"

    def _by_attack(self) -> Iterator[str]:
        """Yield the latencies by what went on meanwhile, the worst first."""
        groups: defaultdict[str, list[Window]] = defaultdict(list)
        for window in self.windows:
            groups[window.name].append(window)
        rows = []
        for name, windows in groups.items():
            of_kind: defaultdict[str, list[float]] = defaultdict(list)
            for each in self.samples:
                if any(window.holds(each.at) for window in windows):
                    of_kind[each.kind].append(each.ms)
            p99s = {kind: percentile(of_kind[kind], 99) for kind in ("bare", "engine", "livez", "show", "send")}
            rss = [value for at, value in self.census.rss if any(window.holds(at) for window in windows)]
            rows.append((p99s["livez"], name, p99s, max(rss, default=0)))
        yield f"{'p99 while':22}{'bare':>9}{'engine':>9}{'livez':>9}{'show':>9}{'send':>9}{'RSS MB':>9}"
        for _, name, p99s, peak in sorted(rows, reverse=True):
            yield f"{name:22}" + "".join(f"{value:9.1f}" for value in p99s.values()) + f"{peak / 1e6:9.0f}"

    def _rest(self) -> Iterator[str]:
        deleted = Counter(each.status for each in self.deletions)
        took = [each.took_s for each in self.deletions]
        first = self.census.rss[0][1] / 1e6
        yield f"RSS of the daemon: {first:.0f} MB at first, {self.peak_rss() / 1e6:.0f} MB at most"
        yield f"engines counted {self.census.looks} times"
        yield f"deletions {dict(deleted)}, the slowest {max(took, default=0):.1f} s"
        yield f"an engine tried {self.spied_count} things, {len(self.spied)} worked"
        yield f"{len(self.errors)} errors in the log"
        yield from (error[:600] for error in self.errors[:_SHOWN])

    def _verdict(self) -> Iterator[str]:
        p99s = {kind: percentile(self._times(kind, hostile=True), 99) for kind in ("livez", "show", "send")}
        held = all(value <= P99_MS for value in p99s.values())
        yield f"p99 <= {P99_MS:g} ms, whatever the machine: {'held' if held else 'not held'}"
        failures = self.failures()
        yield from (f"FAILED: {each}" for each in failures)
        yield "FAILED" if failures else "HELD"


def _row(name: str, times: Sequence[float]) -> str:
    values = (percentile(times, 50), percentile(times, 99), max(times, default=math.nan))
    return f"{name:22}" + "".join(f"{value:9.1f}" for value in values)
