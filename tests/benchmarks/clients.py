"""Asks over kept connections with as little work as possible, as a process of its own: the same one for everybody.

python -m tests.benchmarks.clients <ORDER, which is JSON; what came of it is, too
"""

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60.0
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """How many answers came in a second, and how long each took."""

    per_s: float
    times_s: list[float]


def ask(address: str, requests: Sequence[bytes], *, clients: int, seconds: float | None = None) -> Asked:
    """Let so many clients send these requests in turn, each waiting for its answer before the next.

    `address` is `HOST:PORT` or the path of a unix socket. None sends each request once; else they are repeated for so
    many seconds.

    Raises:
        subprocess.CalledProcessError: an answer was neither 2xx nor 304; stderr tells which.
    """
    order = {
        "address": address,
        "requests": [request.decode("latin-1") for request in requests],
        "clients": clients,
        "seconds": seconds,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.clients"],
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        check=True,
        cwd=_ROOT,
        timeout=(seconds or 0) + 2 * _PATIENCE_S,
    )
    return Asked(**json.loads(done.stdout))


def ask_here(address: str, requests: Sequence[bytes], *, clients: int) -> Asked:
    """Send each of these requests once from this process: what is timed around it has no process to start."""
    return _carry_out(address, iter(requests), clients, None)


def get(path: str, key: str = "", host: str = "localhost") -> bytes:
    """Return a GET as it goes over the wire, with this API key if there is one."""
    header = f"X-API-Key: {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n".encode()


class _Line:
    """One kept connection and the answer it waits for."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if port.isdecimal():
            self.socket = socket.create_connection((host, int(port)), timeout=_PATIENCE_S)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(_PATIENCE_S)
            self.socket.connect(address)
        self._head = b""
        self._left_bytes = 0
        self._end = b""
        self.began_s = 0.0

    def send(self, request: bytes) -> None:
        self._head = self._end = b""
        self.began_s = time.perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what has come, and tell whether that was the end of the answer."""
        data = self.socket.recv(1 << 20)
        assert data, "hung up"
        if self._left_bytes:
            self._left_bytes -= len(data)
            return self._left_bytes == 0
        if self._end:
            return self._is_last(data)
        self._head += data
        head, is_whole, body = self._head.partition(b"\r\n\r\n")
        if not is_whole:
            return False
        assert head[9:10] == b"2" or head[9:12] == b"304", self._head
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            return self._is_last(body)
        self._left_bytes = _length_of(head) - len(body)
        return self._left_bytes == 0

    def _is_last(self, chunk: bytes) -> bool:
        self._end = (self._end + chunk)[-len(_LAST_CHUNK) :] or b" "
        return self._end == _LAST_CHUNK


def _length_of(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


def _carry_out(address: str, requests: Iterator[bytes], clients: int, seconds: float | None) -> Asked:
    times_s: list[float] = []
    with selectors.DefaultSelector() as selector:
        lines = [_Line(address) for _ in range(clients)]
        begun_s = now_s = time.perf_counter()
        ends_s = begun_s + seconds if seconds is not None else float("inf")
        for line in lines:
            if (request := next(requests, None)) is not None:
                selector.register(line.socket, selectors.EVENT_READ, line)
                line.send(request)
        while selector.get_map():
            ready = selector.select(_PATIENCE_S)
            assert ready, f"no answer within {_PATIENCE_S} s"
            for key, _ in ready:
                line = key.data
                if not line.is_answered():
                    continue
                now_s = time.perf_counter()
                times_s.append(now_s - line.began_s)
                if now_s < ends_s and (request := next(requests, None)) is not None:
                    line.send(request)
                else:
                    selector.unregister(line.socket)
        for line in lines:
            line.socket.close()
    return Asked(len(times_s) / (now_s - begun_s), times_s)


def _main() -> None:
    order = json.load(sys.stdin)
    requests = [text.encode("latin-1") for text in order["requests"]]
    turn = iter(requests) if order["seconds"] is None else cycle(requests)
    asked = _carry_out(order["address"], turn, order["clients"], order["seconds"])
    json.dump({"per_s": asked.per_s, "times_s": asked.times_s}, sys.stdout)


if __name__ == "__main__":
    _main()
