"""Serves one connection, and ends it when its caller takes too long over what it has begun.

aiohttp waits for the head of a request, and for an answer to be read, as long as a caller likes. Three clocks run here:

* the head: from the moment the connection is made, or from the first byte behind the request before, until the head is
  whole. A byte now and then does not stop it.
* idleness: between two requests, from the last answer on. aiohttp has that clock.
* reading: from the moment more lies unread than is buffered until a part of it was read; also of what is left to be
  read when the connection is about to end.

What aiohttp does not tell is read from its protocol; tests/api/connections keeps to that.
"""

import asyncio
import logging
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from openwa_manager.api.connections.limits import Timeouts
from openwa_manager.api.connections.malformed import answer_to_malformed, refusal_of_head
from openwa_manager.api.connections.places import Places
from openwa_manager.domain.values import dataclass

_log = logging.getLogger(__name__)

#: A browser behind two proxies sends 3 KiB in 40 headers. Apache takes 100 of them, nginx 32 KiB.
HEADERS_MAX, HEAD_MAX_BYTES = 100, 32 * 1024
#: What the kernel keeps beyond what is on its way; else it takes megabytes from whoever writes to a peer that is slow.
_UNSENT_MAX_BYTES = 64 * 1024
#: How much is read at once. asyncio takes 256 KiB, which malloc fetches from the system and gives back each time
#: (host/heap.py): four calls of it for each request.
_READ_MAX_BYTES = 64 * 1024
#: How long a peer may take to agree on keys, and to say goodbye when a connection with keys ends.
_HANDSHAKE_S, _GOODBYE_S = 10, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all connections of one listener.

    `group_of` says under which name limits count a peer's address (None: under none), `timeouts` how long it may take.
    """

    places: Places
    timeouts: Timeouts
    group_of: Callable[[str], str | None]


class Connection(RequestHandler):
    """A connection to a caller."""

    def __init__(self, server: web.Server, terms: Terms) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=terms.timeouts.idle_s,
            logger=_log,
            access_log=None,  # type: ignore[arg-type] # as `web.AppRunner` says it
            max_headers=HEADERS_MAX,
            auto_decompress=False,  # a body is refused that says it is compressed
        )
        self._terms = terms
        self._wire: asyncio.Transport | None = None
        self._head_since_s: float | None = None
        self._head_bytes = 0
        self._unread_since_s: float | None = None
        self.group: str | None = None
        self.holder: str | None = None

    @property
    def is_idle(self) -> bool:
        """Tell whether no request is served; one whose head is not whole is none."""
        return not self._request_in_progress and not self._messages

    def note_holder(self, holder: str | None) -> None:
        """Take note of whose request is served now; None: nobody known's."""
        if self.holder != holder:  # of the same one it was renewed when the request came
            self.holder = holder
            self._terms.places.renew(self)

    def arrive(self, wire: asyncio.Transport) -> bool:
        """Take a place for what came through the listener, before any keys are agreed on; tell whether there is one."""
        self._wire = wire
        self._head_since_s = self._loop.time()
        _keep_little_unsent(wire.get_extra_info("socket"))
        if hasattr(wire, "max_size"):
            wire.max_size = _READ_MAX_BYTES
        peer = wire.get_extra_info("peername")
        self.group = self._terms.group_of(str(peer[0])) if peer and isinstance(peer, tuple) else None
        if self._terms.places.take(self):
            return True
        wire.abort()
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (so asyncio makes it)
        if self._wire is None and not self.arrive(transport):
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free what the connection held."""
        self.depart()
        super().connection_lost(exc)

    def depart(self) -> None:
        """Free the connection's place."""
        self._terms.places.leave(self)

    def cut(self) -> None:
        """End the connection at once, with what its peer has not read."""
        if self._wire is not None:
            self._wire.abort()

    def data_received(self, data: bytes) -> None:
        """Take what has come; see how long it takes until the head of a request is whole."""
        whole_count = self._request_count
        if data and self._head_since_s is None and self._waiter is not None and not self._waiter.done():
            self._head_since_s = self._loop.time()
            # What has begun is not idle, so that clock must not end it.
            self._next_keepalive_close_time = self._head_since_s + self._terms.timeouts.head_s
        super().data_received(data)
        if self._request_count != whole_count:
            self._head_since_s, self._head_bytes = None, 0
            self._terms.places.renew(self)
        elif self._head_since_s is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES:
                self._refuse_head(431)

    def pause_writing(self) -> None:
        """Begin to wait for the peer to read."""
        if self.transport is self._wire:
            self.note_unread(is_much=True)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on: the peer has read."""
        if self.transport is self._wire:
            self.note_unread(is_much=False)
        super().resume_writing()

    def note_unread(self, *, is_much: bool) -> None:
        """Take note that much lies on the wire unread, or no longer."""
        self._unread_since_s = self._loop.time() if is_much else None

    def look(self) -> None:
        """End the connection if its peer has taken too long; to be called every second or so."""
        wire, now_s, timeouts = self._wire, self._loop.time(), self._terms.timeouts
        if wire is None:  # pragma: no cover (it has a place, so it has arrived)
            return
        if self._unread_since_s is None and wire.is_closing() and wire.get_write_buffer_size():
            self._unread_since_s = now_s  # the end of the last answer
        if self._unread_since_s is not None and now_s - self._unread_since_s >= timeouts.reading_s:
            self.cut()
        elif self._head_since_s is not None and now_s - self._head_since_s >= timeouts.head_s:
            self._refuse_head(408)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP that we understand, and what no other place has turned into an answer."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        return answer_to_malformed(431 if isinstance(exc, LineTooLong) else 400)

    def _refuse_head(self, status: int) -> None:
        """Say why a head that is not whole is not waited for any longer, and end the connection."""
        self._head_since_s = None
        if self.transport is not None and self._head_bytes:
            self.transport.write(refusal_of_head(status))
        if self.transport is None:  # keys are not agreed on yet
            self.cut()
        self.force_close()


class TlsConnection(SSLProtocol):
    """Agrees on keys with a peer, and then lets a connection serve it."""

    def __init__(self, connection: Connection, context: SSLContext) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            connection,
            context,
            waiter=None,  # type: ignore[arg-type] # nobody waits
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE_S,
            ssl_shutdown_timeout=_GOODBYE_S,
        )
        self._connection = connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to agree on keys, if there is a place for the peer."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (so asyncio makes it)
        if self._connection.arrive(transport):
            super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free the place, also of a peer that no keys were agreed on with."""
        self._connection.depart()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Take note that the peer does not read; the layer in between tells the connection only of what comes next."""
        self._connection.note_unread(is_much=True)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Take note that the peer has read."""
        self._connection.note_unread(is_much=False)
        super().resume_writing()


def _keep_little_unsent(wire: socket.socket | None) -> None:
    """Have the kernel keep little of what a peer does not read; how much is on its way to one who reads stays free."""
    if wire is not None and wire.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_MAX_BYTES)


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Tell whether a line of the server's log concerns us: not a caller's malformed HTTP, nor that it hung up."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, RequestPayloadError, ConnectionError))


_log.addFilter(_is_our_fault)
