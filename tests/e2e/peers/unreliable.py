"""A backend that fails, stalls, lies and dies, and writes down every event that reaches it."""

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.upstream import SECRET, is_signed


class Manner(NamedTuple):
    """A way to answer: what is written before the line is closed or, while it `stays`, serves again."""

    name: str
    answer: bytes
    is_stored: bool = True
    stays: bool = True
    pause_s: float = 0.0


GOOD = Manner("good", b"HTTP/1.1 204 No Content\r\n\r\n")
VICES = (
    Manner("fails", b"HTTP/1.1 500 Oh No\r\nContent-Length: 0\r\n\r\n", is_stored=False),
    Manner("refuses", b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", is_stored=False),
    Manner("lies", b"HTTP/1.1 500 Oh No\r\nContent-Length: 0\r\n\r\n"),
    Manner("stalls", GOOD.answer, pause_s=0.2),
    Manner("hangs up", b"", stays=False),
    Manner("mumbles", b"HTTP/1.1 2", stays=False),
    Manner("breaks off", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", stays=False),
)
#: How many answers of a hundred are good: so many that five failures in a row, which open the breaker, are rare.
GOOD_PERCENT = 75


class Arrival(NamedTuple):
    """One event as it came, `body` byte for byte; `is_stored` tells that this backend has it now."""

    body: bytes
    event: Mapping[str, Json]
    is_stored: bool


@dataclass
class Unreliable:
    """The backend, wherever it listens; what reached it stays known while it is away."""

    port: int
    chance: random.Random
    arrivals: list[Arrival] = field(default_factory=list)
    manners: Counter[str] = field(default_factory=Counter)
    forged: list[bytes] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings that make this backend the daemon's default endpoint."""
        return {"UPSTREAM_URL": f"http://127.0.0.1:{self.port}/events", "UPSTREAM_SECRET": SECRET}

    @contextmanager
    def open(self) -> Iterator[None]:
        """Listen until left; what is under way then is cut off in the middle."""
        server = _Server(("127.0.0.1", self.port), self)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            server.cut_lines()

    def take(self, headers: dict[str, str], body: bytes) -> Manner:
        """Write down what came and choose how to answer."""
        with self._lock:
            is_good = self.chance.random() * 100 < GOOD_PERCENT
            manner = GOOD if is_good else self.chance.choice(VICES)
            self.manners[manner.name] += 1
            self.arrivals.append(Arrival(body, json.loads(body), manner.is_stored))
            if not is_signed(headers, body):
                self.forged.append(body)
        return manner


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], backend: Unreliable) -> None:
        super().__init__(address, _Handler)
        self.backend = backend
        self.lines: set[socket.socket] = set()

    def cut_lines(self) -> None:
        for line in tuple(self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of lines that break: here they are meant to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.lines.add(self.connection)

    def finish(self) -> None:
        self.server.lines.discard(self.connection)
        super().finish()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # its sender was killed in the middle
        manner = self.server.backend.take({name.lower(): value for name, value in self.headers.items()}, body)
        time.sleep(manner.pause_s)
        self.wfile.write(manner.answer)
        self.close_connection = not manner.stays
