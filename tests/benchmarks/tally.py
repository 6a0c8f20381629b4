"""A receiver that costs little: it answers every post after `pause_s` and notes when which body came."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Tally:
    """Listens on `port` of this host while open, in a thread of its own.

    `messages` are the bodies that came; `codes_at_s` is when each code came (on the clock of `time.perf_counter`), and
    a code is answered at once.
    """

    port: int
    pause_s: float = 0.0
    messages: list[bytes] = field(default_factory=list)
    codes_at_s: list[float] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return where events are to be sent."""
        return f"http://127.0.0.1:{self.port}/events"

    @contextmanager
    def open(self) -> Iterator[None]:
        """Listen until left."""
        is_ready, loop = threading.Event(), asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._serve(loop, is_ready),), daemon=True)
        thread.start()
        assert is_ready.wait(10)
        yield
        loop.call_soon_threadsafe(self._stop.set)
        thread.join(10)
        loop.close()

    def take(self, body: bytes) -> float:
        """Note a body and return after how many seconds to answer it."""
        if b'"session.qr"' in body[:200]:
            self.codes_at_s.append(time.perf_counter())
            return 0.0
        if b'"message.received"' in body[:200]:
            self.messages.append(body)
        return self.pause_s

    async def _serve(self, loop: asyncio.AbstractEventLoop, is_ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        server = await loop.create_server(lambda: _Line(self), "127.0.0.1", self.port, backlog=256)
        is_ready.set()
        await self._stop.wait()
        server.close()


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) >= length:
            self._buffer = rest[length:]
            pause_s = self._tally.take(rest[:length])
            asyncio.get_running_loop().call_later(pause_s, self._transport.write, _ANSWER)
