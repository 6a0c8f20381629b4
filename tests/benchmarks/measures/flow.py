"""What goes through the daemon, in turn with its floors: events in, events out, and calls through the gateway."""

import asyncio
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from openwa_manager.store.database import PRAGMAS
from tests.benchmarks.daemons import running
from tests.benchmarks.measures.intake import SETTINGS, Engine, engines_of, flood
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians
from tests.benchmarks.tally import Tally
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.fakes.ports import free_ports
from tests.fakes.process import ending

_FLOORS = Path(__file__).parent.parent / "floors"
_SECRET = "a secret of the bench's own"
#: As many as there are sessions four times over: what waits for a commit does not keep the next commit small.
_SESSIONS, _CONNECTIONS = 20, 256
#: As many posts to one endpoint as are on their way at once.
_PARALLEL = 16
_PATIENCE_S = 60.0


def measure_flow(share: int) -> Iterable[Row]:
    """Measure the intake, the delivery of a backlog, and a call through the gateway."""
    yield from _measure_intake(6_000 // share)
    yield from _measure_delivery(5_000 // share)
    yield from _measure_gateway(500 // share)


def _measure_intake(count: int) -> Iterator[Row]:
    """Post messages as engines do, over many connections; ours are on disk when they are answered."""
    (port,) = free_ports(1)
    with running(SETTINGS) as (daemon, _), _program("receiving", str(port), _SECRET):
        eventually(lambda: _listens(port))
        ours = engines_of(daemon, _SESSIONS)
        bare = [Engine(f"http://127.0.0.1:{port}/hooks/s{number}/{number:036}", _SECRET) for number in range(_SESSIONS)]

        def post(engines: Sequence[Engine]) -> Callable[[], list[float]]:
            return lambda: [asyncio.run(_flood(engines, count))]

        for engines in (ours, bare):
            asyncio.run(_flood(engines, count // 10))
        rates = alternate({OURS: _rested(post(ours)), FLOOR: post(bare)})
    yield Row(
        name="events taken, on disk", unit="/s", values=medians(rates), is_more_better=True, goals=[Goal(FLOOR, 0.4)]
    )


async def _flood(engines: Sequence[Engine], count: int) -> float:
    requests = [engine.request() for _ in range(count // len(engines)) for engine in engines]
    return await flood(engines[0], _CONNECTIONS, requests)


def _rested(measure: Callable[[], list[float]]) -> Callable[[], list[float]]:
    """Let the engines be allowed their whole burst before each round."""

    def rest_and_measure() -> list[float]:
        time.sleep(4.0)
        return measure()

    return rest_and_measure


def _measure_delivery(count: int) -> Iterator[Row]:
    """Deliver the same bodies to the same receiver, over as many connections and in the same order of each session."""
    samples: dict[str, list[float]] = {OURS: [], FLOOR: []}
    with running({**SETTINGS, "ALLOW_PRIVATE_ENDPOINTS": "true"}) as (daemon, _):
        engines = engines_of(daemon, _SESSIONS)
        for _ in range(3):
            tally = Tally(free_ports(1)[0])
            rate, bodies = _deliver_ours(daemon, engines, tally, count)
            samples[OURS].append(rate)
            samples[FLOOR].append(_deliver_bare(bodies))
    yield Row(
        name="a backlog delivered", unit="/s", values=medians(samples), is_more_better=True, goals=[Goal(FLOOR, 0.8)]
    )


def _deliver_ours(daemon: Daemon, engines: Sequence[Engine], tally: Tally, count: int) -> tuple[float, Sequence[bytes]]:
    """Return how many a second were delivered and recorded, and their bodies."""
    time.sleep(4.0)
    asked = {"url": tally.url, "events": ["message.*"], "secret": _SECRET}
    endpoint = daemon.ask("POST", "/v1/endpoints", asked).text("id")
    asyncio.run(_flood(engines, count))
    with tally.open():
        began = time.perf_counter()
        assert daemon.ask("POST", f"/v1/endpoints/{endpoint}/resume").status == 200
        rate = _drain(tally, count, began)
    assert daemon.ask("DELETE", f"/v1/endpoints/{endpoint}").status == 204
    return rate, tuple(tally.messages)


def _deliver_bare(bodies: Sequence[bytes]) -> float:
    tally = Tally(free_ports(1)[0])
    script = str(_FLOORS / "sending.py")
    argv = (sys.executable, script, tally.url, _SECRET, str(_PARALLEL))
    with tally.open(), ending(subprocess.Popen(argv, stdin=subprocess.PIPE)) as loop:
        assert loop.stdin is not None
        for body in bodies:
            event = json.loads(body)
            loop.stdin.write(json.dumps([event["session_id"], event["id"], body.decode()]).encode() + b"\n")
        loop.stdin.close()
        eventually(lambda: tally.messages, every_s=0.0005)
        return _drain(tally, len(bodies), time.perf_counter())


def _drain(tally: Tally, count: int, began: float) -> float:
    """Return how many a second came until all were there."""
    while len(tally.messages) < count:
        assert time.perf_counter() < began + _PATIENCE_S, f"{len(tally.messages)} of {count} came"
        time.sleep(0.001)
    return count / (time.perf_counter() - began)


def _measure_gateway(count: int) -> Iterator[Row]:
    """Call a simulated OpenWA straight and through us; a send makes two commits, which are measured bare beside it."""
    settings = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0"}
    with running(settings, {**SCANNED, "SIMULATE_TYPING": "false"}) as (daemon, _):
        pid = daemon.create("acme").number("pid")
        daemon.until("acme", "connected")
        with closing(_Caller(daemon, pid)) as caller, _commits() as commit:
            for _ in range(20):
                caller.send_straight()
                caller.send_through()
            reads = alternate({OURS: _times(caller.get_through, count), FLOOR: _times(caller.get_straight, count)})
            sends = alternate(
                {
                    OURS: _times(caller.send_through, count // 3),
                    FLOOR: _times(caller.send_straight, count // 3),
                    "two commits": _times(commit, count // 3),
                }
            )
    yield _added("a GET, added by the gateway", medians(reads, 1000), [Goal("", 0.5)])
    yield _added("a send, added by the gateway", medians(sends, 1000), [])
    commits_ms = statistics.median(sends["two commits"]) * 1000
    beyond = {name: value - commits_ms * (name == OURS) for name, value in medians(sends, 1000).items()}
    yield _added("  beyond two commits", beyond, [Goal("", 0.5)])


def _added(name: str, values: Mapping[str, float], goals: Sequence[Goal]) -> Row:
    return Row(name=name, unit="ms", values={OURS: values[OURS] - values[FLOOR]}, goals=goals)


class _Caller:
    """Two open connections: one straight to an engine, one to the daemon."""

    def __init__(self, daemon: Daemon, pid: int) -> None:
        session = daemon.session("acme")
        key = psutil.Process(pid).environ()["API_MASTER_KEY"]
        self._straight = socket.socket(socket.AF_UNIX)
        self._straight.connect(session.text("socket"))
        self._through = socket.create_connection(("127.0.0.1", daemon.port))
        self._through.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._keys = {self._straight: key, self._through: daemon.key}
        (inner,) = json.loads(self._ask(self._straight, "GET", "/api/sessions"))
        self._ids = {self._straight: inner["id"], self._through: "acme"}
        self._number = 0

    def get_straight(self) -> None:
        """Ask the engine for the session's groups."""
        self._get(self._straight)

    def get_through(self) -> None:
        """Ask for the same through the gateway."""
        self._get(self._through)

    def send_straight(self) -> None:
        """Send a text by the engine."""
        self._send(self._straight)

    def send_through(self) -> None:
        """Send one through the gateway."""
        self._send(self._through)

    def close(self) -> None:
        """Hang up."""
        self._straight.close()
        self._through.close()

    def _get(self, line: socket.socket) -> None:
        self._ask(line, "GET", f"/api/sessions/{self._ids[line]}/groups")

    def _send(self, line: socket.socket) -> None:
        self._number += 1
        number = f"8529{self._number // 9000:03}{1000 + self._number % 9000}"  # none of the simulator's magic ones
        body = json.dumps({"chatId": f"{number}@c.us", "text": "Your order has left."}).encode()
        self._ask(line, "POST", f"/api/sessions/{self._ids[line]}/messages/send-text", body)

    def _ask(self, line: socket.socket, method: str, path: str, body: bytes = b"") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {self._keys[line]}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        line.sendall(head.encode() + b"\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += line.recv(65536)
        assert answer[9:12] in (b"200", b"201"), answer
        head_bytes, _, got = answer.partition(b"\r\n\r\n")
        length = int(head_bytes.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(got) < length:
            got += line.recv(65536)
        return got


@contextmanager
def _commits() -> Iterator[Callable[[], None]]:
    """Yield what makes two commits of one row each, on a database that is set up as ours is."""
    with (
        tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder,
        closing(sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)) as connection,
    ):
        for pragma in PRAGMAS:
            connection.execute(pragma)
        connection.execute("CREATE TABLE message (body TEXT)")

        def commit() -> None:
            for _ in range(2):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO message VALUES (?)", ("x" * 500,))
                connection.execute("COMMIT")

        yield commit


def _times(call: Callable[[], None], count: int) -> Callable[[], list[float]]:
    """Return what makes so many calls and says how long each took, in seconds."""

    def measure() -> list[float]:
        times_s: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            call()
            times_s.append(time.perf_counter() - began)
        return times_s

    return measure


@contextmanager
def _program(name: str, *arguments: str) -> Iterator[None]:
    with ending(subprocess.Popen((sys.executable, str(_FLOORS / f"{name}.py"), *arguments))) as process:
        try:
            yield
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
