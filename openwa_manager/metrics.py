"""The Prometheus names in one place: what is counted as it happens, and how all of it is written at a scrape."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from openwa_manager.domain.session.session import SessionId, Status, Usage

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_PREFIX = "openwa_manager"

#: The upper bounds of the buckets, in seconds: of one commit, of a code's way to the backend, of the loop's lateness;
#: of how long messages wait.
COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
QR_PUSH_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
LOOP_LAG_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
SEND_HOLD_S = (0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)


class Durations:
    """How long something took each time, by buckets; one thread notes, any may read.

    Not prometheus_client's Histogram: whoever is never scraped need not load it, and nothing is global.
    """

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self.total_s = 0.0

    def note(self, seconds: float) -> None:
        """Note one duration."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self.total_s += seconds

    @property
    def count(self) -> int:
        """Return how many were noted."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bound and count of all durations up to it, the last one without bound."""
        return list(zip([*map(str, self._bounds_s), "+Inf"], map(float, accumulate(self._counts)), strict=True))


class SendTally:
    """What is counted of sends as they happen, since the daemon's start.

    `hold` is how long messages waited for their first attempt, `lateness` how long a send came after its gap was over.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.hold = Durations(SEND_HOLD_S)
        self.lateness = Durations(LOOP_LAG_S)

    def note_answer(self, http_status: int | None) -> None:
        """Count an answer of an engine; None: there was none."""
        self.statuses["none" if http_status is None else str(http_status)] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageNumbers:
    """The messages at one moment: `totals` by route and outcome, `waiting` by hold (`none`: only for its turn)."""

    totals: Mapping[tuple[str, str], int]
    waiting: Mapping[str, int]
    acks_overdue: int
    sends: SendTally


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """The daemon at one moment.

    `usage` is empty unless single sessions are wanted; `adoption_s` is None until adoption is over.
    """

    version: str
    python: str
    sessions: Mapping[Status, int]
    restarts: Mapping[str, int]
    usage: Mapping[SessionId, Usage] = field(default_factory=dict)
    adoption_s: float | None
    queue_length: int
    deliveries_pending: int
    deliveries_dead: int
    commit: Durations
    qr_push: Durations
    loop_lag: Durations
    messages: MessageNumbers


def expose(scrape: Scrape, accept: str = "") -> tuple[bytes, str]:
    """Return a scrape as the one who sent this `Accept` header reads it, and its media type.

    The first call loads the library: 0.1 s, 1 MB.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collected(scrape))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Collected:
    """What prometheus_client calls a collector: yields every family once."""

    def __init__(self, scrape: Scrape) -> None:
        self._scrape = scrape

    def collect(self) -> "Iterator[Metric]":
        yield from _states(self._scrape)
        yield from _numbers(self._scrape)
        yield from _durations(self._scrape)
        yield from _messages(self._scrape.messages)
        if self._scrape.usage:
            yield from _usages(self._scrape.usage)


def _states(scrape: Scrape) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    build = InfoMetricFamily(f"{_PREFIX}_build", "What runs here.")
    build.add_metric([], {"version": scrape.version, "python": scrape.python})
    yield build
    sessions = GaugeMetricFamily(f"{_PREFIX}_sessions", "Sessions by status.", labels=["status"])
    for status in Status:
        sessions.add_metric([status.value], scrape.sessions.get(status, 0))
    yield sessions
    restarts = CounterMetricFamily(f"{_PREFIX}_restarts", "Engines started again, by reason.", labels=["reason"])
    for reason, count in scrape.restarts.items():
        restarts.add_metric([reason], count)
    yield restarts


def _numbers(scrape: Scrape) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    numbers = {
        "start_queue_length": ("Sessions that wait for a slot to start.", scrape.queue_length),
        "deliveries_pending": ("Deliveries to endpoints not yet made.", scrape.deliveries_pending),
        "deliveries_dead": ("Deliveries given up and kept for replay.", scrape.deliveries_dead),
        "adoption_seconds": ("How long this start took to take up all sessions.", scrape.adoption_s),
        "acks_overdue": (
            "Messages in a row that were not acknowledged in time, over all sessions.",
            scrape.messages.acks_overdue,
        ),
    }
    for name, (help_text, value) in numbers.items():
        if value is not None:
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", help_text, value=value)


def _durations(scrape: Scrape) -> "Iterator[Metric]":
    from prometheus_client.core import HistogramMetricFamily

    durations = {
        "commit_seconds": ("How long a commit to the database took.", scrape.commit),
        "qr_push_seconds": ("From a code's record until an endpoint had accepted it.", scrape.qr_push),
        "loop_lag_seconds": ("How late the event loop was.", scrape.loop_lag),
        "send_hold_seconds": ("From a message's acceptance until it was first sent.", scrape.messages.sends.hold),
        "send_lateness_seconds": ("How long a send came after its gap was over.", scrape.messages.sends.lateness),
    }
    for name, (help_text, each) in durations.items():
        yield HistogramMetricFamily(f"{_PREFIX}_{name}", help_text, buckets=each.buckets(), sum_value=each.total_s)


def _messages(messages: MessageNumbers) -> "Iterator[Metric]":
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    totals = CounterMetricFamily(
        f"{_PREFIX}_messages", "Messages sent, or ended otherwise, by how they came in.", labels=["route", "outcome"]
    )
    for (route, outcome), count in messages.totals.items():
        totals.add_metric([route, outcome], count)
    yield totals
    sends = CounterMetricFamily(f"{_PREFIX}_sends", "Sends by the engine's HTTP status.", labels=["status"])
    for status, count in messages.sends.statuses.items():
        sends.add_metric([status], count)
    yield sends
    waiting = GaugeMetricFamily(f"{_PREFIX}_messages_waiting", "Messages that wait, by why.", labels=["hold"])
    for hold, count in messages.waiting.items():
        waiting.add_metric([hold], count)
    yield waiting


def _usages(usage: Mapping[SessionId, Usage]) -> "Iterator[Metric]":
    from prometheus_client.core import GaugeMetricFamily

    rss = GaugeMetricFamily(f"{_PREFIX}_session_rss_bytes", "Memory of a session's processes.", labels=["session_id"])
    cpu = GaugeMetricFamily(f"{_PREFIX}_session_cpu_percent", "100 for each busy processor.", labels=["session_id"])
    for session_id, used in usage.items():
        rss.add_metric([session_id], used.rss_bytes)
        cpu.add_metric([session_id], used.cpu_percent)
    yield rss
    yield cpu
