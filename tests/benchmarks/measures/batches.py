"""Measures what many messages cost that come at once, or wait."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psutil

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import messages
from tests.benchmarks.daemons import Line, pid_of, running
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row
from tests.e2e.peers.daemon import Daemon
from tests.store.messaging.samples import new_message

SESSION = "user_1_session_x"
#: Nothing holds a message back.
NO_GAP = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "CONTACT_CHECK_GAP_S": "0"}
_STOPPED: Mapping[str, Json] = {"session_id": SESSION, "desired": "stopped"}
_YEARS_S = 10 * 365 * 86_400.0


def measure_acceptance(recipients: int) -> Iterator[Row]:
    """Hand a batch over, and see meanwhile how long others wait: for any answer, and for one that needs a commit."""
    with running(NO_GAP) as (daemon, line):
        line.ask("POST", "/v1/sessions", _STOPPED)
        for name in ("other", "another"):
            line.ask("POST", "/v1/sessions", {"session_id": name, "desired": "stopped"})
        rested, rested_commits = _while(daemon, lambda: time.sleep(1.0))
        took_s: list[float] = []
        stalls, commits = _while(daemon, lambda: took_s.append(hand_over(line, recipients)))
    yield Row(name=f"{recipients:,} recipients → 202", unit="s", values={OURS: took_s[0]}, goals=[Goal("", 2)])
    for name, beside_s, alone_s in (("answer", stalls, rested), ("commit", commits, rested_commits)):
        more_ms = {OURS: (max(beside_s) - max(alone_s)) * 1000}
        yield Row(name=f"  any other {name} meanwhile, longer by", unit="ms", values=more_ms, goals=[Goal("", 50)])


def hand_over(line: Line, recipients: int) -> float:
    """Return how long it took to be taken, in seconds."""
    body: dict[str, Json] = {
        "template": {"text": "Dear {{name}}, your order has left the warehouse."},
        "recipients": [
            {"to": f"+{number_of(number)}", "variables": {"name": f"no. {number}"}} for number in range(recipients)
        ],
    }
    began = time.perf_counter()
    answer = line.ask("POST", f"/v1/sessions/{SESSION}/messages/bulk", body)
    took_s = time.perf_counter() - began
    assert answer["accepted"] == recipients, answer
    return took_s


def number_of(number: int) -> str:
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


def measure_waiting(count: int) -> Iterator[Row]:
    """Start a daemon on an empty database, and then on one in which so many messages wait."""
    with running(NO_GAP) as (daemon, line):
        line.ask("POST", "/v1/sessions", _STOPPED)
        _restart(daemon)
        empty_s, empty_bytes = _restart(daemon)
        daemon.terminate()
        _add_waiting(daemon.home / "manager.db", count)
        daemon.start()
        full_s, full_bytes = _restart(daemon)
        length = daemon.ask("GET", f"/v1/sessions/{SESSION}/queue").number("length")
        assert length == count
    values = {OURS: full_s, FLOOR: empty_s}
    yield Row(name=f"{count:,} waiting → ready (floor: none)", unit="s", sessions=1, values=values)
    yield Row(name="  longer by", unit="s", sessions=1, values={OURS: full_s - empty_s}, goals=[Goal("", 2)])
    more_mb = {OURS: (full_bytes - empty_bytes) / 1e6}
    yield Row(name="  more memory", unit="MB", sessions=1, values=more_mb, goals=[Goal("", 20)])


def _restart(daemon: Daemon) -> tuple[float, int]:
    """Return how long a start takes, and what the daemon weighs then."""
    daemon.terminate()
    began = time.perf_counter()
    daemon.start()
    took_s = time.perf_counter() - began
    time.sleep(2)
    return took_s, psutil.Process(pid_of(daemon)).memory_info().rss


def _add_waiting(path: Path, count: int) -> None:
    """Let so many messages wait in a database that nobody has open."""
    now = time.time()  # noqa: TID251 (they must not have expired for the daemon)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for first in range(0, count, 10_000):
            chats = [f"852{number:08}@c.us" for number in range(first, min(count, first + 10_000))]
            news = [
                new_message(session_id=SessionId(SESSION), chat_id=each, at=now, expires_at=now + _YEARS_S)
                for each in chats
            ]
            messages.add_rows(connection, messages.rows_of(news))
        connection.execute("COMMIT")
