"""Writes a scrape as Prometheus reads it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, TypeVar

from openwa_manager.domain.messaging.messages import HoldCode, MessageStatus, SendRoute
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Status
from openwa_manager.metrics.scrape import (
    NO_HOLD,
    EngineNumbers,
    HostNumbers,
    MessageNumbers,
    PartialScrape,
    Scrape,
    SessionNumbers,
)
from openwa_manager.metrics.tallies import DeliveryResult

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Name = TypeVar("Name", bound=str)
_PREFIX = "openwa_manager"
#: What becomes of a message, as `messages_total` counts it.
_OUTCOMES = (
    MessageStatus.SENT,
    MessageStatus.FAILED,
    MessageStatus.BOUNCED,
    MessageStatus.EXPIRED,
    MessageStatus.UNKNOWN,
    MessageStatus.CANCELLED,
)
#: The values of a family by those of its labels. Labels whose values are known beforehand are there from the start, at
#: 0: Prometheus sees no increase in a counter that appears with its first one. Routes and HTTP statuses are not known.
_Values = Iterable[tuple[tuple[str, ...], float]]


def expose(scrape: Scrape | PartialScrape, accept: str = "") -> tuple[bytes, str]:
    """Return a scrape as the one who sent this `Accept` header reads it, and its media type.

    The first call loads the library: 0.1 s, 1 MB.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry()
    if isinstance(scrape, Scrape):
        ProcessCollector(registry=registry)
    registry.register(_Collected(scrape))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Collected:
    """What prometheus_client calls a collector: yields every family once."""

    def __init__(self, scrape: Scrape | PartialScrape) -> None:
        self._scrape = scrape

    def collect(self) -> "Iterator[Metric]":
        scrape = self._scrape
        yield from _states(scrape)
        if isinstance(scrape, Scrape):
            yield from _whole(scrape)
        else:
            yield from _waiting(scrape.waiting, scrape.acks_overdue)
        if scrape.each:
            yield from _each(scrape.each)


def _counter(name: str, help_text: str, labels: Iterable[str], values: _Values) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"{_PREFIX}_{name}", help_text, labels=tuple(labels))
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _gauge(name: str, help_text: str, labels: Iterable[str], values: _Values) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"{_PREFIX}_{name}", help_text, labels=tuple(labels))
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _one(value: float) -> _Values:
    return (((), value),)


def _by(values: Mapping[Name, float], known: Iterable[Name] = ()) -> _Values:
    """Return values by one label; those that are `known` are 0 where there is none."""
    return [((name,), value) for name, value in {**dict.fromkeys(known, 0), **values}.items()]


def _states(scrape: Scrape | PartialScrape) -> "Iterator[Metric]":
    from prometheus_client.core import InfoMetricFamily

    build = InfoMetricFamily(f"{_PREFIX}_build", "What runs here.")
    build.add_metric([], {"version": scrape.version, "python": scrape.python})
    yield build
    yield _gauge("sessions", "Sessions by status.", ["status"], _by(scrape.sessions, Status))
    help_text = "Whether an endpoint is well: 1 (throttled too), or 0 while down or after a 410; none while paused."
    yield _gauge("endpoint_up", help_text, ["endpoint_id"], _by(scrape.endpoints))


def _whole(scrape: Scrape) -> "Iterator[Metric]":
    yield _counter(
        "restarts", "Engines started again, by reason.", ["reason"], _by(scrape.restarts, map(str, ReasonCode))
    )
    yield from _lives(scrape)
    yield from _engines(scrape.engines)
    yield from _host(scrape.host)
    yield from _deliveries(scrape)
    yield from _durations(scrape)
    yield from _messages(scrape.messages)
    answered = "Requests answered, by route and HTTP status; route none: no route fits."
    yield _counter("http_requests", answered, ["route", "status"], scrape.requests.counts.items())


def _lives(scrape: Scrape) -> "Iterator[Metric]":
    drops = "Links to WhatsApp that were lost, by reason; requested: somebody stopped or restarted the session."
    yield _counter("link_drops", drops, ["reason"], _by(scrape.moves.link_drops, map(str, ReasonCode)))
    yield _counter("qr_shown", "Codes shown.", [], _one(scrape.moves.codes))
    yield _counter("paired", "Accounts linked by a code.", [], _one(scrape.moves.pairing.count))
    yield _gauge("start_queue_length", "Sessions that wait for a slot to start.", [], _one(scrape.queue_length))
    if scrape.adoption_s is not None:
        adoption = "How long this start took to take up all sessions."
        yield _gauge("adoption_seconds", adoption, [], _one(scrape.adoption_s))


def _engines(engines: EngineNumbers) -> "Iterator[Metric]":
    yield _gauge("engines_rss_bytes", "Memory of all engines' processes.", [], _one(engines.rss_bytes))
    used = "Processor time of all engines, those that have ended too."
    yield _counter("engines_cpu_seconds", used, [], _one(engines.cpu_s))
    yield _counter("probe_misses", "Probes that an engine left unanswered.", [], _one(engines.probe_misses))


def _host(host: HostNumbers) -> "Iterator[Metric]":
    if host.memory_available_bytes is not None:
        available = "Memory of the host that can be handed out without swapping."
        yield _gauge("host_memory_available_bytes", available, [], _one(host.memory_available_bytes))
    if host.disk_free_bytes is not None:
        free = "What may still be written on the disk of the daemon's home."
        yield _gauge("home_disk_free_bytes", free, [], _one(host.disk_free_bytes))


def _deliveries(scrape: Scrape) -> "Iterator[Metric]":
    outstanding = scrape.outstanding
    yield _gauge("deliveries_pending", "Deliveries to endpoints not yet made.", [], _one(outstanding.pending))
    yield _gauge("deliveries_dead", "Deliveries given up and kept for replay.", [], _one(outstanding.dead))
    oldest = "Age of the oldest event that waits for an endpoint, paused ones aside; 0: none waits."
    yield _gauge("deliveries_oldest_seconds", oldest, [], _one(outstanding.oldest_s))
    results = _by(scrape.deliveries.results, DeliveryResult)
    yield _counter("deliveries", "Attempts to deliver an event, by what became of them.", ["result"], results)


def _durations(scrape: Scrape) -> "Iterator[Metric]":
    from prometheus_client.core import HistogramMetricFamily

    durations = {
        "commit_seconds": ("How long a commit to the database took.", scrape.commit),
        "loop_lag_seconds": ("How late the event loop was.", scrape.loop_lag),
        "engine_start_seconds": ("From an engine's launch until it answered.", scrape.moves.starts),
        "pair_seconds": ("From the first code until the account was linked.", scrape.moves.pairing),
        "qr_push_seconds": ("From a code's record until an endpoint had accepted it.", scrape.deliveries.qr_push),
        "delivery_seconds": ("From an event until an endpoint had accepted it.", scrape.deliveries.delay),
        "send_hold_seconds": ("From a message's acceptance until it was first sent.", scrape.messages.sends.hold),
        "send_lateness_seconds": ("How long a send came after its gap was over.", scrape.messages.sends.lateness),
    }
    for name, (help_text, each) in durations.items():
        yield HistogramMetricFamily(f"{_PREFIX}_{name}", help_text, buckets=each.buckets(), sum_value=each.total_s)


def _messages(messages: MessageNumbers) -> "Iterator[Metric]":
    ended = "Messages sent, or ended otherwise, by how they came in."
    totals: dict[tuple[str, str], int] = {**dict.fromkeys(product(SendRoute, _OUTCOMES), 0), **messages.totals}
    yield _counter("messages", ended, ["route", "outcome"], totals.items())
    yield _counter("sends", "Sends by the engine's HTTP status.", ["status"], _by(messages.sends.statuses))
    yield from _waiting(messages.waiting, messages.acks_overdue)


def _waiting(waiting: Mapping[str, int], acks_overdue: int) -> "Iterator[Metric]":
    help_text = "Messages that wait, by what holds them; none: only for their turn."
    yield _gauge("messages_waiting", help_text, ["hold"], _by(waiting, (NO_HOLD, *map(str, HoldCode))))
    overdue = "Messages in a row that were not acknowledged in time, over all sessions."
    yield _gauge("acks_overdue", overdue, [], _one(acks_overdue))


def _each(sessions: Sequence[SessionNumbers]) -> "Iterator[Metric]":
    status = "The status each session has, as 1."
    statuses = [((each.session_id, each.status), 1) for each in sessions]
    yield _gauge("session_status", status, ["session_id", "status"], statuses)
    measured = {each.session_id: each.usage for each in sessions if each.usage}
    rss = {session_id: used.rss_bytes for session_id, used in measured.items()}
    yield _gauge("session_rss_bytes", "Memory of a session's processes.", ["session_id"], _by(rss))
    percent = {session_id: used.cpu_percent for session_id, used in measured.items()}
    yield _gauge("session_cpu_percent", "100 for each busy processor.", ["session_id"], _by(percent))
    used_s = {each.session_id: each.cpu_s for each in sessions}
    used = "Processor time of a session's engines, those that have ended too."
    yield _counter("session_cpu_seconds", used, ["session_id"], _by(used_s))
