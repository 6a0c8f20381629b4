"""Asks an HTTP server through a unix socket, over connections that stay open, at as little cost as Python allows."""

import select
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks.peers.contender import PATIENCE_S

#: Returns what is to be asked next; None: nothing more.
Take = Callable[[], bytes | None]


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
        """Return how many answers a second so many clients get, each asking again at once.

        Each has a connection that has been answered before.
        """
        with self._lines(clients) as lines:
            _ask_all(lines, [request] * clients)
            began = time.perf_counter()
            count = _exchange(lines, lambda: request if time.perf_counter() - began < seconds else None)
            return count / (time.perf_counter() - began)

    def ask_all(self, requests: Iterable[bytes], clients: int) -> int:
        """Ask all of these over so many connections; return how many answers came."""
        with self._lines(clients) as lines:
            return _ask_all(lines, requests)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    @contextmanager
    def _lines(self, count: int) -> Iterator[list[socket.socket]]:
        with ExitStack() as undo:
            yield [undo.enter_context(self._connect()) for _ in range(count)]

    def _connect(self) -> socket.socket:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(PATIENCE_S)
        try:
            line.connect(str(self._path))
        except OSError:
            line.close()
            raise
        return line


def _ask_all(lines: Sequence[socket.socket], requests: Iterable[bytes]) -> int:
    waiting = deque(requests)
    return _exchange(lines, lambda: waiting.popleft() if waiting else None)


def _exchange(lines: Sequence[socket.socket], take: Take) -> int:
    count = 0
    with selectors.DefaultSelector() as selector:
        for line in lines:
            if (request := take()) is not None:
                selector.register(line, selectors.EVENT_READ, Reader())
                line.sendall(request)
        while selector.get_map():
            events = selector.select(PATIENCE_S)
            assert events, "no answer in time"
            for key, _ in events:
                count += _go_on(selector, key, take)
    return count


def _go_on(selector: selectors.BaseSelector, key: selectors.SelectorKey, take: Take) -> int:
    line = key.fileobj
    assert isinstance(line, socket.socket)
    if key.data.take(_receive(line)) is None:
        return 0
    if (request := take()) is None:
        selector.unregister(line)
    else:
        line.sendall(request)
    return 1


def _receive(line: socket.socket) -> bytes:
    chunk = line.recv(1 << 20)
    if not chunk:
        raise ConnectionResetError("the server closed the connection")
    return chunk
