"""What reading sessions costs: one, all, all again that have not changed, and one beside pollers and streams."""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from aiohttp import web

from tests.benchmarks.measures.asking import Asked, ask
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians, percentiles
from tests.e2e.peers.daemon import Daemon, eventually
from tests.fakes.ports import free_ports
from tests.fakes.process import ending

_CLIENTS, _POLLERS, _STREAMS = 16, 200, 50
_SECONDS, _ROUNDS = 4.0, 3
#: Engines that cost nothing; as much as a key may ask at most, so that the limit is checked and never reached.
_SETTINGS = {
    "COMMAND_ARGV": '["/bin/sleep", "100000"]',
    "START_CONCURRENCY": "1000",
    "LOG_LEVEL": "warning",
    "RATE_PER_S": "10000",
    "RATE_BURST": "100000",
}
_HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


def measure_api(share: int) -> Iterable[Row]:
    """Measure with 200 sessions and, unless it shall be quick, with 1,000; `share` is the part of the time taken."""
    seconds = max(1.0, _SECONDS / share)
    for count in (200,) if share > 1 else (200, 1000):
        with _daemon() as daemon, _hello() as port:
            for number in range(count):
                daemon.create(f"s{number}", desired=_desired(number))
            yield from _rows(daemon, port, count, seconds)


@contextmanager
def _daemon() -> Iterator[Daemon]:
    with (
        tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder,
        Daemon(home=Path(folder) / "home", settings=_SETTINGS, engine="command") as daemon,
    ):
        yield daemon


def _desired(number: int) -> str:
    return "running" if number < 200 else "stopped"


def _rows(daemon: Daemon, hello: int, count: int, seconds: float) -> Iterator[Row]:
    whole = _head(daemon, "/v1/sessions?limit=1000")
    known = f"{whole[:-2]}If-None-Match: {_tag(daemon, whole)}\r\n\r\n"
    ours: dict[str, tuple[str, Sequence[Goal]]] = {
        "status of one session, 16 clients": (_head(daemon, "/v1/sessions/s0"), (Goal(FLOOR, 0.6),)),
        "all sessions with usage, 16 clients": (whole, (Goal("", 1000 if count <= 200 else 200),)),
        "all sessions that have not changed (304), 16 clients": (known, ()),
    }
    for name, (request, goals) in ours.items():
        samples = alternate(
            {FLOOR: _rate(hello, _HELLO.decode(), seconds), OURS: _rate(daemon.port, request, seconds)}, _ROUNDS
        )
        yield Row(name=name, unit="/s", values=medians(samples), sessions=count, is_more_better=True, goals=goals)
    yield from _beside(daemon, known, count, seconds)


def _rate(port: int, request: str, seconds: float) -> Callable[[], Sequence[float]]:
    return lambda: [_asked(port, request, _CLIENTS, seconds).per_s]


def _asked(port: int, request: str, clients: int, seconds: float) -> Asked:
    asked = ask(port, request.encode(), clients=clients, seconds=seconds)
    assert asked.statuses.keys() <= {"200", "304"}, asked.statuses
    return asked


def _beside(daemon: Daemon, known: str, count: int, seconds: float) -> Iterator[Row]:
    """Ask for one session on one connection: alone, and beside pollers that have the list and streams, one unread."""
    one = _head(daemon, "/v1/sessions/s0")
    alone = _asked(daemon.port, one, 1, seconds).times_s
    with ExitStack() as stack:
        stream = _head(daemon, "/v1/events", "Accept: text/event-stream\r\n").encode()
        for _ in range(_STREAMS):
            line = stack.enter_context(closing(socket.create_connection(("127.0.0.1", daemon.port), timeout=60)))
            line.sendall(stream)  # nobody reads any of them: the slowest of readers
        pollers = stack.enter_context(_polling(daemon.port, known, seconds))
        beside = _asked(daemon.port, one, 1, seconds).times_s
        pollers.wait(timeout=seconds + 60)
    samples = {OURS: beside, "alone": alone}
    for name, values in (("median", medians(samples, 1000)), ("p99", percentiles(samples, 99, 1000))):
        told = f"status of one beside {_POLLERS} pollers and {_STREAMS} streams, {name}"
        yield Row(name=told, unit="ms", values=values, sessions=count)


@contextmanager
def _polling(port: int, request: str, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "tests.benchmarks.measures.asking", str(port), str(_POLLERS), str(seconds), "1"]
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)) as process:
        assert process.stdin is not None
        process.stdin.write(request.encode())
        process.stdin.close()
        time.sleep(0.5)
        yield process


def _head(daemon: Daemon, path: str, more: str = "") -> str:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {daemon.key}\r\n{more}\r\n"


def _tag(daemon: Daemon, request: str) -> str:
    with closing(socket.create_connection(("127.0.0.1", daemon.port), timeout=60)) as line:
        line.sendall(request.encode())
        head = line.recv(65536).partition(b"\r\n\r\n")[0].decode("latin-1")
    return next(each.partition(": ")[2] for each in head.splitlines() if each.lower().startswith("etag:"))


@contextmanager
def _hello() -> Iterator[int]:
    """Run aiohttp with one route that does nothing, and return its port."""
    (port,) = free_ports(1)
    with ending(subprocess.Popen([sys.executable, "-m", "tests.benchmarks.measures.api", str(port)])):
        eventually(lambda: _answers(port))
        yield port


def _answers(port: int) -> bool:
    try:
        return statistics.fmean(ask(port, _HELLO, clients=1, seconds=0.1).times_s) > 0
    except (OSError, subprocess.CalledProcessError):
        return False


def _serve_hello(port: int) -> None:
    body = b'{"hello":"world"}'

    async def hello(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/hello", hello)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    _serve_hello(int(sys.argv[1]))
