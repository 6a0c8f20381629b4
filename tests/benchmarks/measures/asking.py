"""Asks one HTTP request again and again on connections that stay open, as cheaply as Python can."""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass

_END_OF_HEAD = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of the requests: how many a second were answered, how long each took, and with which status."""

    per_s: float
    times_s: list[float]
    statuses: dict[str, int]


def ask(port: int, request: bytes, *, clients: int, seconds: float) -> Asked:
    """Ask from a process of its own, and return what became of it."""
    argv = [sys.executable, "-m", "tests.benchmarks.measures.asking", str(port), str(clients), str(seconds), "0"]
    told = subprocess.run(argv, input=request, stdout=subprocess.PIPE, check=True, timeout=seconds + 60).stdout
    return Asked(**json.loads(told))


@dataclass(slots=True)
class _Line:
    socket: socket.socket
    sent_s: float
    missing: int | None = None
    received: bytes = b""

    def take(self, data: bytes) -> bool:
        """Tell whether the answer is whole."""
        if self.missing is not None and self.missing >= 0:
            self.missing -= len(data)
            return self.missing <= 0
        self.received = (self.received + data) if self.missing is None else (self.received[-8:] + data)
        if self.missing is None:
            head, separator, body = self.received.partition(_END_OF_HEAD)
            if not separator:
                return False
            length = _length_in(head)
            self.missing = -1 if length is None else length - len(body)
            if length is not None:
                return self.missing <= 0
        return self.received.endswith(_LAST_CHUNK)


def _length_in(head: bytes) -> int | None:
    if head[9:12] == b"304":
        return 0
    at = head.find(b"\r\nContent-Length: ")
    return None if at < 0 else int(head[at + 18 :].partition(b"\r\n")[0])


class _Clients:
    """So many connections, on each of which the request is sent again `pause_s` after its answer."""

    def __init__(self, selector: selectors.DefaultSelector, request: bytes, pause_s: float) -> None:
        self._selector = selector
        self._request = request
        self._pause_s = pause_s
        self._due: deque[tuple[float, _Line]] = deque()
        self.times_s: list[float] = []
        self.statuses = Counter[str]()

    def connect(self, port: int) -> None:
        line = socket.create_connection(("127.0.0.1", port), timeout=60)
        line.sendall(self._request)
        self._selector.register(line, selectors.EVENT_READ, _Line(line, time.perf_counter()))

    def take(self) -> None:
        """Read what has come, and send what is due."""
        for key, _ in self._selector.select(0.1 if not self._due else self._pause_s / 100):
            self._read(key.data)
        while self._due and self._due[0][0] <= time.perf_counter():
            self._send(self._due.popleft()[1])

    def _read(self, line: _Line) -> None:
        data = line.socket.recv(1 << 18)
        if line.missing is None and not line.received:
            self.statuses[data[9:12].decode() or "closed"] += 1
        if not data:
            self._selector.unregister(line.socket)
        elif line.take(data):
            now_s = time.perf_counter()
            self.times_s.append(now_s - line.sent_s)
            if self._pause_s:
                self._due.append((now_s + self._pause_s, line))
            else:
                self._send(line)

    def _send(self, line: _Line) -> None:
        line.sent_s, line.missing, line.received = time.perf_counter(), None, b""
        line.socket.sendall(self._request)


def _ask_here(port: int, request: bytes, count: int, seconds: float, pause_s: float) -> Asked:
    with selectors.DefaultSelector() as selector:
        clients = _Clients(selector, request, pause_s)
        begun_s = time.perf_counter()
        for _ in range(count):
            clients.connect(port)
        while time.perf_counter() < begun_s + seconds:
            clients.take()
        took_s = time.perf_counter() - begun_s
    return Asked(per_s=len(clients.times_s) / took_s, times_s=clients.times_s, statuses=dict(clients.statuses))


if __name__ == "__main__":
    _port, _count, _seconds, _pause_s = sys.argv[1:]
    asked = _ask_here(int(_port), sys.stdin.buffer.read(), int(_count), float(_seconds), float(_pause_s))
    json.dump({"per_s": asked.per_s, "times_s": asked.times_s, "statuses": asked.statuses}, sys.stdout)
