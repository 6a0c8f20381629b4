"""Measures the queues of messages: sending one, keeping the gap, being idle."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psutil

from tests.benchmarks.daemons import Line, running
from tests.benchmarks.measures.batches import NO_GAP, SESSION, hand_over, number_of
from tests.benchmarks.measures.upkeep import idle_cpu_s
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import SCANNED, Daemon, UnixConnection, eventually
from tests.messages.truth import read_books

_ENGINE_ENV = {**SCANNED, "SIMULATE_TYPING": "false"}
_GAP_S = 0.1


def measure_sends(count: int) -> Iterator[Row]:
    """Send so many messages straight to an engine, one after the other, and then as many through its queue."""
    with running(NO_GAP, _ENGINE_ENV) as (daemon, line):
        _link(daemon, line)
        straight_s = _send_straight(daemon, count)
        hand_over(line, count)
        at = _books_of(daemon, 2 * count)[count:]
    few = count // 10  # until both are warm
    gaps_s = [latter - former for former, latter in pairwise(at)][few:]
    samples = {OURS: gaps_s, FLOOR: straight_s[few:]}
    middle = medians(samples, 1000)
    yield Row(name="a message of the queue (floor: straight), median", unit="ms", sessions=1, values=middle)
    values = percentiles(samples, 99, 1000)
    yield Row(name="a message of the queue (floor: straight), p99", unit="ms", sessions=1, values=values)
    added = {OURS: middle[OURS] - middle[FLOOR]}
    yield Row(name="  added by the queue, median", unit="ms", sessions=1, values=added, goals=[Goal("", 2)])


def _link(daemon: Daemon, line: Line) -> None:
    line.ask("POST", "/v1/sessions", {"session_id": SESSION})
    daemon.until(SESSION, "connected")


def _books_of(daemon: Daemon, count: int) -> list[float]:
    """Return when WhatsApp got so many messages, once it has."""
    eventually(lambda: len(read_books(daemon.home, SESSION)) >= count, within_s=300, every_s=0.5)
    return [entry.at for entry in read_books(daemon.home, SESSION)]


def _send_straight(daemon: Daemon, count: int) -> list[float]:
    """Return how long each send took."""
    session = daemon.session(SESSION)
    given = psutil.Process(session.number("pid")).environ()
    headers = {"X-API-Key": given["API_MASTER_KEY"], "Content-Type": "application/json"}
    connection = UnixConnection(Path(session.text("socket")))
    with closing(connection):
        connection.request("GET", "/api/sessions", headers=headers)
        (inner,) = json.loads(connection.getresponse().read())
        return [_send(connection, str(inner["id"]), headers, number) for number in range(count)]


def _send(connection: UnixConnection, inner_id: str, headers: Mapping[str, str], number: int) -> float:
    body = json.dumps({"chatId": f"{number_of(number)}@c.us", "text": "Your order has left the warehouse."}).encode()
    began = time.perf_counter()
    connection.request("POST", f"/api/sessions/{inner_id}/messages/send-text", body, headers)
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 201, said
    return time.perf_counter() - began


def measure_gaps(count: int) -> Iterator[Row]:
    """Send messages a fixed gap apart, and see by how much each is later than the gap after the one before."""
    gaps = {**NO_GAP, "MESSAGE_GAP_MIN_S": str(_GAP_S), "MESSAGE_GAP_MAX_S": str(_GAP_S)}
    with running(gaps, _ENGINE_ENV) as (daemon, line):
        _link(daemon, line)
        hand_over(line, count)
        at = _books_of(daemon, count)
    late_s = [latter - former - _GAP_S for former, latter in pairwise(at)]
    assert min(late_s) > -0.001, min(late_s)
    samples = {OURS: late_s}
    yield Row(name="a gap's end → the next is there, median", unit="ms", sessions=1, values=medians(samples, 1000))
    values = percentiles(samples, 99, 1000)
    yield Row(name="a gap's end → the next is there, p99", unit="ms", sessions=1, values=values)


def measure_idle_queues(queues: int, seconds: float) -> Iterator[Row]:
    """Leave a daemon alone, without queues and with so many that are empty."""
    with running(NO_GAP) as (daemon, line):
        for number in range(queues):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}", "desired": "stopped"})
        without_s = idle_cpu_s(daemon, seconds)
        for number in range(queues):
            message = line.ask("POST", f"/v1/sessions/s{number}/messages", {"to": "+85291234567", "text": "hello"})
            line.ask("DELETE", f"/v1/messages/{message['message_id']}")
        with_s = idle_cpu_s(daemon, seconds)
    values = {OURS: with_s, FLOOR: without_s}
    yield Row(name="idle with empty queues (floor: without)", unit="CPU-s/min", sessions=queues, values=values)
