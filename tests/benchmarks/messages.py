"""What the queue of messages is measured by: taking many in, sending one, keeping the gap, holding many, being idle."""

import json
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psutil

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import messages
from tests.benchmarks.supervision import Figure, Line, running
from tests.e2e.peers.daemon import SCANNED, Daemon, UnixConnection, eventually
from tests.messages.truth import read_books
from tests.store.messaging.samples import new_message

_SESSION = "user_1_session_x"
_STOPPED: Mapping[str, Json] = {"session_id": _SESSION, "desired": "stopped"}
_ENGINE_ENV = {**SCANNED, "SIMULATE_TYPING": "false"}
_NO_GAP = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "CONTACT_CHECK_GAP_S": "0"}
_GAP_S = 0.1
_YEARS_S = 10 * 365 * 86_400.0


def measure_acceptance(recipients: int) -> Iterator[Figure]:
    """Hand a batch over, and see meanwhile how long others wait: for any answer, and for one that needs a commit."""
    with running(_NO_GAP) as (daemon, line):
        line.ask("POST", "/v1/sessions", _STOPPED)
        for name in ("other", "another"):
            line.ask("POST", "/v1/sessions", {"session_id": name, "desired": "stopped"})
        rested, rested_commits = _while(daemon, lambda: time.sleep(1.0))
        took_s: list[float] = []
        stalls, commits = _while(daemon, lambda: took_s.append(_hand_over(line, recipients)))
    yield Figure(name=f"{recipients:,} recipients → 202", goal="≤ 2 s", text=f"{took_s[0]:.2f} s")
    words = f"{max(stalls) * 1000:.0f} ms, else {max(rested) * 1000:.0f} ms"
    yield Figure(name="  any other answer meanwhile, at most", goal="≤ 50 ms more", text=words)
    words = f"{max(commits) * 1000:.0f} ms, else {max(rested_commits) * 1000:.0f} ms"
    yield Figure(name="  any other commit meanwhile, at most", goal="≤ 50 ms more", text=words)


def _hand_over(line: Line, recipients: int) -> float:
    """Return how long it took to be taken, in seconds."""
    body: dict[str, Json] = {
        "template": {"text": "Dear {{name}}, your order has left the warehouse."},
        "recipients": [
            {"to": f"+{_number(number)}", "variables": {"name": f"no. {number}"}} for number in range(recipients)
        ],
    }
    began = time.perf_counter()
    answer = line.ask("POST", f"/v1/sessions/{_SESSION}/messages/bulk", body)
    took_s = time.perf_counter() - began
    assert answer["accepted"] == recipients, answer
    return took_s


def _number(number: int) -> str:
    """Return one of many phone numbers, none of which is a magic one of the simulator."""
    return f"8529{number // 9000:03}{1000 + number % 9000}"


def _while(daemon: Daemon, work: Callable[[], None]) -> tuple[list[float], list[float]]:
    """Work, and return how long two others waited each time meanwhile: for any answer, and for one with a commit."""
    is_over = threading.Event()
    waits_s: tuple[list[float], list[float]] = ([], [])
    asks = (
        lambda line: line.ask("GET", "/v1/sessions/other"),
        lambda line: line.ask("PATCH", "/v1/sessions/another", {"labels": {"at": str(time.perf_counter_ns())}}),
    )

    def ask(number: int) -> None:
        line = Line(daemon)
        while not is_over.is_set():
            began = time.perf_counter()
            asks[number](line)
            waits_s[number].append(time.perf_counter() - began)
            time.sleep(0.001)

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    work()
    is_over.set()
    for thread in threads:
        thread.join(30)
    return waits_s


def measure_sends(count: int) -> Iterator[Figure]:
    """Send so many messages straight to an engine, one after the other, and then as many through its queue."""
    with running(_NO_GAP, _ENGINE_ENV) as (daemon, line):
        _link(daemon, line)
        straight_s = _send_straight(daemon, count)
        _hand_over(line, count)
        at = _books_of(daemon, 2 * count)[count:]
    few = count // 10  # until both are warm
    gaps_s = [latter - former for former, latter in pairwise(at)][few:]
    added_ms = (statistics.median(gaps_s) - statistics.median(straight_s[few:])) * 1000
    yield Figure(name="a send straight to the simulator", goal="-", times_s=straight_s[few:])
    yield Figure(name="a message of the queue", goal="-", times_s=gaps_s)
    yield Figure(name="  added by the queue", goal="≤ 2 ms median", text=f"median {added_ms:.2f} ms")


def _link(daemon: Daemon, line: Line) -> None:
    line.ask("POST", "/v1/sessions", {"session_id": _SESSION})
    daemon.until(_SESSION, "connected")


def _books_of(daemon: Daemon, count: int) -> list[float]:
    """Return when WhatsApp got so many messages, once it has."""
    eventually(lambda: len(read_books(daemon.home, _SESSION)) >= count, within_s=300, every_s=0.5)
    return [entry.at for entry in read_books(daemon.home, _SESSION)]


def _send_straight(daemon: Daemon, count: int) -> list[float]:
    """Return how long each send took."""
    session = daemon.session(_SESSION)
    given = psutil.Process(session.number("pid")).environ()
    headers = {"X-API-Key": given["API_MASTER_KEY"], "Content-Type": "application/json"}
    connection = UnixConnection(Path(session.text("socket")))
    with closing(connection):
        connection.request("GET", "/api/sessions", headers=headers)
        (inner,) = json.loads(connection.getresponse().read())
        return [_send(connection, str(inner["id"]), headers, number) for number in range(count)]


def _send(connection: UnixConnection, inner_id: str, headers: Mapping[str, str], number: int) -> float:
    body = json.dumps({"chatId": f"{_number(number)}@c.us", "text": "Your order has left the warehouse."}).encode()
    began = time.perf_counter()
    connection.request("POST", f"/api/sessions/{inner_id}/messages/send-text", body, headers)
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 201, said
    return time.perf_counter() - began


def measure_gaps(count: int) -> Iterator[Figure]:
    """Send messages a fixed gap apart, and see by how much each is later than the gap after the one before."""
    gaps = {**_NO_GAP, "MESSAGE_GAP_MIN_S": str(_GAP_S), "MESSAGE_GAP_MAX_S": str(_GAP_S)}
    with running(gaps, _ENGINE_ENV) as (daemon, line):
        _link(daemon, line)
        _hand_over(line, count)
        at = _books_of(daemon, count)
    late_s = [latter - former - _GAP_S for former, latter in pairwise(at)]
    assert min(late_s) > -0.001, min(late_s)
    yield Figure(name="answer and gap → the next is there", goal="-", times_s=late_s)


def measure_waiting(count: int) -> Iterator[Figure]:
    """Start a daemon on an empty database, and then on one in which so many messages wait."""
    with running(_NO_GAP) as (daemon, line):
        line.ask("POST", "/v1/sessions", _STOPPED)
        _restart(daemon)
        empty_s, empty_bytes = _restart(daemon)
        daemon.terminate()
        _add_waiting(daemon.home / "manager.db", count)
        daemon.start()
        full_s, full_bytes = _restart(daemon)
        length = daemon.ask("GET", f"/v1/sessions/{_SESSION}/queue").number("length")
        assert length == count
    more_mb = (full_bytes - empty_bytes) / 1e6
    words = f"{full_s:.2f} s, {full_s - empty_s:+.2f} s"
    yield Figure(name=f"{count:,} waiting → ready", goal="≤ 2 s more than empty", text=words)
    yield Figure(name="  memory", goal="≤ 20 MB more than empty", text=f"{full_bytes / 1e6:.0f} MB, {more_mb:+.1f} MB")


def measure_idle_queues(queues: int, seconds: float) -> Iterator[Figure]:
    """Leave a daemon alone, without queues and with so many that are empty."""
    with running(_NO_GAP) as (daemon, line):
        for number in range(queues):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}", "desired": "stopped"})
        without_s = _cpu_s(daemon, seconds)
        for number in range(queues):
            message = line.ask("POST", f"/v1/sessions/s{number}/messages", {"to": "+85291234567", "text": "hello"})
            line.ask("DELETE", f"/v1/messages/{message['message_id']}")
        with_s = _cpu_s(daemon, seconds)
    words = f"{with_s:.3f}, without them {without_s:.3f} CPU-s a minute"
    yield Figure(name=f"idle with {queues} empty queues", goal="no more than without", text=words)


def _restart(daemon: Daemon) -> tuple[float, int]:
    """Return how long a start takes, and what the daemon weighs then."""
    daemon.terminate()
    began = time.perf_counter()
    daemon.start()
    took_s = time.perf_counter() - began
    assert daemon.process is not None
    time.sleep(2)
    return took_s, psutil.Process(daemon.process.pid).memory_info().rss


def _add_waiting(path: Path, count: int) -> None:
    """Let so many messages wait in a database that nobody has open."""
    now = time.time()  # noqa: TID251 (they must not have expired for the daemon)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for first in range(0, count, 10_000):
            chats = [f"852{number:08}@c.us" for number in range(first, min(count, first + 10_000))]
            news = [
                new_message(session_id=SessionId(_SESSION), chat_id=each, at=now, expires_at=now + _YEARS_S)
                for each in chats
            ]
            messages.add_rows(connection, messages.rows_of(news))
        connection.execute("COMMIT")


def _cpu_s(daemon: Daemon, seconds: float) -> float:
    """Return what the daemon takes in a minute while nothing happens."""
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    time.sleep(3)
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 60 / seconds
