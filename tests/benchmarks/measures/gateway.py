"""Measures what the gateway costs: sends straight to an engine against sends through us, in the same run."""

import selectors
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import Daemon
from tests.fakes import openwa_peer

_BODY = b'{"chatId":"628123456789@c.us","text":"Good morning, your order has left the warehouse."}'
#: One caller at a time shows the latency, many show the rate.
_CALLERS = 32


def measure_gateway(count: int) -> Iterator[Row]:
    """Send `count` messages one after the other and `count` by many callers, each straight and through the gateway."""
    with tempfile.TemporaryDirectory(prefix="owm-") as folder, _daemon(Path(folder)) as daemon:
        daemon.create("acme")
        session = daemon.until("acme", "connected")
        key = (daemon.home / "admin.key").read_text().strip()
        straight = _Caller(session.text("socket"), {})
        through = _Caller(("127.0.0.1", daemon.port), {"X-API-Key": key})
        for caller in (straight, through):
            caller.send(200, 1)
        direct, ours = straight.send(count, 1), through.send(count, 1)
        straight_rate, our_rate = straight.send(count * 2, _CALLERS), through.send(count * 2, _CALLERS)
    samples = {OURS: ours.times_s, FLOOR: direct.times_s}
    middle = medians(samples, 1000)
    yield Row(name="a send (floor: straight), median", unit="ms", sessions=1, values=middle)
    yield Row(name="a send (floor: straight), p99", unit="ms", sessions=1, values=percentiles(samples, 99, 1000))
    added = {OURS: middle[OURS] - middle[FLOOR]}
    yield Row(name="  added by the gateway", unit="ms", sessions=1, values=added, goals=[Goal("", 0.5)])
    yield Row(
        name=f"sends by {_CALLERS} callers (floor: straight)",
        unit="/s",
        sessions=1,
        values={OURS: our_rate.per_s, FLOOR: straight_rate.per_s},
        is_more_better=True,
        goals=[Goal("", 1500)],
    )


def _daemon(folder: Path) -> Daemon:
    """Return a daemon whose OpenWA is the peer: `node` is a script that starts it."""
    node, home = folder / "node", folder / "openwa"
    node.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec echo v22.15.0\nexec "{sys.executable}" "{openwa_peer.__file__}"\n'
    )
    node.chmod(0o700)
    (home / "dist").mkdir(parents=True)
    (home / "dist" / "main.js").touch()
    settings = {"NODE": str(node), "OPENWA_HOME": str(home), "MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0"}
    settings["ENGINE_ISOLATION"] = "none"  # the peer is another program than `node`, which no isolated OpenWA may start
    return Daemon(home=folder / "home", engine="openwa", settings=settings)


@dataclass(frozen=True, slots=True)
class _Run:
    """How long each send took, and how many there were in a second."""

    times_s: list[float]
    per_s: float


@dataclass
class _Caller:
    """Writes requests and reads answers with as little work as possible, so that the others are measured.

    `address` is a host and a port, or the path of a unix socket.
    """

    address: tuple[str, int] | str
    headers: Mapping[str, str]
    _begun_s: dict[socket.socket, float] = field(default_factory=dict)
    _read: dict[socket.socket, bytes] = field(default_factory=dict)

    def send(self, count: int, callers: int) -> _Run:
        """Send `count` messages over `callers` connections, each waiting for its answer before the next."""
        request, times_s, left = self._request(), [], count
        with selectors.DefaultSelector() as selector:
            begun_s = time.perf_counter()
            for _ in range(callers):
                line = self._connected()  # without a timeout: it is read when the selector says so
                selector.register(line, selectors.EVENT_READ)
                self._write(line, request)
                left -= 1
            while selector.get_map():
                ready = selector.select(10)
                assert ready, "no answer within 10 s"
                for key, _ in ready:
                    answered = key.fileobj
                    assert isinstance(answered, socket.socket)
                    if not self._is_answered(answered):
                        continue
                    times_s.append(time.perf_counter() - self._begun_s[answered])
                    if left:
                        self._write(answered, request)
                        left -= 1
                    else:
                        selector.unregister(answered)
                        answered.close()
            return _Run(times_s, count / (time.perf_counter() - begun_s))

    def _connected(self) -> socket.socket:
        if isinstance(self.address, str):
            line = socket.socket(socket.AF_UNIX)
        else:
            line = socket.socket()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.connect(self.address)
        return line

    def _request(self) -> bytes:
        lines = [
            "POST /api/sessions/acme/messages/send-text HTTP/1.1",
            "Host: localhost",
            "Content-Type: application/json",
            f"Content-Length: {len(_BODY)}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + _BODY

    def _write(self, line: socket.socket, request: bytes) -> None:
        self._read[line] = b""
        self._begun_s[line] = time.perf_counter()
        line.sendall(request)

    def _is_answered(self, line: socket.socket) -> bool:
        data = self._read[line] = self._read[line] + line.recv(65536)
        assert data.startswith(b"HTTP/1.1 201 "), data
        return data.endswith(b"}")  # the bodies are JSON objects
