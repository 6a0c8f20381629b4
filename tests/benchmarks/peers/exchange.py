"""Asks an HTTP server through a unix socket, over a connection that stays open; many at once by `clients`."""

import select
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.clients import ask, ask_here
from tests.benchmarks.peers.contender import PATIENCE_S


def compose(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it is sent."""
    fields = {"Host": "localhost", **headers, **({"Content-Length": str(len(body))} if body else {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Reader:
    """Puts one answer after the other together: with a `Content-Length`, chunked, or with nothing to say (204)."""

    def __init__(self) -> None:
        self._chunks = b""

    def take(self, chunk: bytes) -> bytes | None:
        """Return the body of an answer once it is whole, else None.

        Raises:
            RuntimeError: the server refused, or gave no length.
        """
        self._chunks += chunk
        head, is_whole, rest = self._chunks.partition(b"\r\n\r\n")
        if not is_whole:
            return None
        if head[9:12] == b"204":
            self._chunks = b""
            return b""
        if head[9:10] == b"2" and b"transfer-encoding: chunked" in head.lower():
            if not rest.endswith(b"\r\n0\r\n\r\n"):
                return None
            self._chunks = b""
            return _joined(rest)
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
        if head[9:10] != b"2" or not length:
            raise RuntimeError(f"refused: {self._chunks[:300]!r}")
        if len(rest) < int(length):
            return None
        self._chunks = b""
        return rest


def _joined(rest: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, _, rest = rest.partition(b"\r\n")
        if not (length := int(size, 16)):
            return b"".join(parts)
        parts.append(rest[:length])
        rest = rest[length + 2 :]


class Exchange:
    """One connection for one request after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = self._connect()
        self._reader = Reader()

    def is_hung_up(self) -> bool:
        """Tell whether the server has closed the connection; no answer may be due."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def ask(self, request: bytes) -> bytes:
        """Return the body of the answer; a connection that the server has closed in the meantime is made anew."""
        if self.is_hung_up():
            self._socket.close()
            self._socket = self._connect()
        self._socket.sendall(request)
        while (body := self._reader.take(_receive(self._socket))) is None:
            pass
        return body

    def rate(self, request: bytes, clients: int, seconds: float) -> float:
        """Return how many answers a second so many clients get, each asking again at once."""
        return ask(str(self._path), [request], clients=clients, seconds=seconds).per_s

    def ask_all(self, requests: Sequence[bytes], clients: int) -> int:
        """Ask each of these once, so many at a time; return how many answers came."""
        return len(ask_here(str(self._path), requests, clients=clients).times_s)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _connect(self) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(PATIENCE_S)
        try:
            line.connect(str(self._path))
        except OSError:
            line.close()
            raise
        return line


def _receive(line: socket.socket) -> bytes:
    chunk = line.recv(1 << 20)
    if not chunk:
        raise ConnectionResetError("the server closed the connection")
    return chunk
