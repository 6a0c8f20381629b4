"""A scrape in which everything there is has a value."""

from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.session.session import SessionId, Status, Usage
from openwa_manager.metrics.durations import COMMIT_S, LOOP_LAG_S, Durations
from openwa_manager.metrics.exposition import expose
from openwa_manager.metrics.scrape import (
    EngineNumbers,
    HostNumbers,
    MessageNumbers,
    OutstandingDeliveries,
    Scrape,
    SessionNumbers,
)
from openwa_manager.metrics.tallies import DeliveryResult, DeliveryTally, RequestTally, SendTally, SessionTally


def some_messages() -> MessageNumbers:
    sends = SendTally()
    for status in (201, 201, 429, None):
        sends.note_answer(status)
    for hold_s in (0.2, 90.0, 100_000.0):
        sends.hold.note(hold_s)
    sends.lateness.note(0.002)
    return MessageNumbers(
        totals={("api", "sent"): 40, ("gateway", "failed"): 2},
        waiting={"none": 5, "quiet_hours": 9_000},
        acks_overdue=3,
        sends=sends,
    )


def some_moves() -> SessionTally:
    moves = SessionTally()
    moves.link_drops.update({"network": 4, "banned": 1})
    moves.codes = 9
    for seconds in (8.0, 45.0):
        moves.pairing.note(seconds)
    moves.starts.note(7.0)
    return moves


def some_deliveries() -> DeliveryTally:
    deliveries = DeliveryTally()
    deliveries.results.update({DeliveryResult.FAILED: 3, DeliveryResult.DEAD: 1})
    deliveries.note_delivered(0.2, is_code=False)
    deliveries.note_delivered(40.0, is_code=True)
    return deliveries


def some_requests() -> RequestTally:
    requests = RequestTally()
    for status in (200, 200, 404, 799):
        requests.note("GET /v1/sessions/{session_id}", status)
    return requests


def scrape(**changed: object) -> Scrape:
    facts: dict[str, object] = {
        "version": "0.1.0",
        "python": "3.11.7",
        "sessions": {Status.CONNECTED: 180, Status.FAILED: 2},
        "restarts": {"engine_exited": 7, "memory_limit": 1},
        "adoption_s": 0.25,
        "queue_length": 3,
        "engines": EngineNumbers(rss_bytes=900_000_000, cpu_s=1234.5, probe_misses=6),
        "host": HostNumbers(memory_available_bytes=2_000_000_000, disk_free_bytes=50_000_000_000),
        "moves": some_moves(),
        "endpoints": {EndpointId("default"): True, EndpointId("ep_2"): False},
        "outstanding": OutstandingDeliveries(pending=12, dead=1, oldest_s=90.5),
        "deliveries": some_deliveries(),
        "commit": Durations(COMMIT_S),
        "loop_lag": Durations(LOOP_LAG_S),
        "messages": some_messages(),
        "requests": some_requests(),
    }
    return Scrape(**{**facts, **changed})  # type: ignore[arg-type]  # the test names real fields


def one_session() -> SessionNumbers:
    used = Usage(rss_bytes=180_000_000, cpu_percent=12.5, process_count=2)
    return SessionNumbers(session_id=SessionId("acme"), status=Status.CONNECTED, usage=used, cpu_s=61.5)


def whole_text() -> str:
    """Return every metric there is, as it is exposed."""
    return expose(scrape(each=[one_session()]))[0].decode()
