"""Caps how many connections callers may hold open, so that there are descriptors left for everything else."""

import asyncio
import resource
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

#: The parts that the descriptors not yet used are shared out in: two for the control plane (one of them is kept for the
#: unix socket), one for the engines' posts, one for our own connections to engines and endpoints.
_PARTS = 4
#: However few descriptors there are, so many connections are let in by each listener.
_LEAST = 4
#: More connections than this are no caller's use.
_MOST = 10_000
#: How many may wait in the kernel, and be accepted in one go before any of them is counted.
_BACKLOG_MAX = 128
_HANDSHAKE_S = 10.0
#: How long a new connection may take until it has asked for something.
_FIRST_HEAD_WITHIN_S = 30.0
#: How many connections are looked at to find one that is idle: at most so much is done for each that comes.
_LOOKS_MAX = 256
#: How often it is looked for such, and how many that have ended are remembered meanwhile.
_SWEEP_S, _ENDED_MAX = 5.0, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How many connections the control plane, the unix socket beside it, and the intake may have at once."""

    control: int = _MOST
    control_and_socket: int = 2 * _MOST
    intake: int = _MOST

    @classmethod
    def within(cls, free_count: int) -> Self:
        """Return the limits for so many descriptors that are not used yet."""
        part = min(_MOST, max(_LEAST, free_count // _PARTS))
        return cls(control=part, control_and_socket=2 * part, intake=part)


def free_descriptor_count() -> int:
    """Return how many descriptors this process may still open, as far as the system tells how many it has open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _MOST * _PARTS if soft == resource.RLIM_INFINITY else soft
    try:
        return limit - sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:  # a container without /proc
        return limit


class CappedSite(web.BaseSite):
    """A listener that keeps to `connections_max` on its runner: idle ones make room, and without any it hangs up.

    `place` is a host and a port, or the path of a unix socket. Two listeners may share a runner: the one with the
    larger cap then still lets somebody in when the other one is full.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        place: tuple[str, int] | Path,
        connections_max: int,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, ssl_context=ssl_context, backlog=max(1, min(_BACKLOG_MAX, connections_max // 4)))
        self._place = place
        self._connections_max = connections_max

    @property
    def name(self) -> str:
        """Return where it listens, in words."""
        if isinstance(self._place, Path):
            return f"unix:{self._place}"
        host, port = self._place
        return f"{'https' if self._ssl_context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen from now on.

        Raises:
            OSError: the place is taken, or not ours.
        """
        await super().start()
        server = self._runner.server
        if server is None:  # pragma: no cover (the runner was set up before)
            raise RuntimeError(self.name)
        factory, loop = _CappedFactory(server, self._connections_max).build, asyncio.get_running_loop()
        if isinstance(self._place, Path):
            self._server = await loop.create_unix_server(factory, self._place, backlog=self._backlog)
            return
        self._server = await loop.create_server(
            factory,
            *self._place,
            ssl=self._ssl_context,
            ssl_handshake_timeout=_HANDSHAKE_S if self._ssl_context else None,
            backlog=self._backlog,
        )


class _CappedFactory:
    """Gives each connection that was accepted its protocol: one that lets it in, or one that hangs up.

    At the cap the connection that has been idle for longest is ended, so that nobody keeps others out by doing nothing.
    """

    def __init__(self, server: web.Server, connections_max: int) -> None:
        self._server = server
        self._connections_max = connections_max
        self._idle = _IdleConnections()
        self._arriving: dict[_Arrival, float] = {}

    def build(self) -> asyncio.BaseProtocol:
        """Return the protocol of one more connection."""
        now_s = asyncio.get_running_loop().time()
        while self._arriving and (oldest := next(iter(self._arriving.items())))[1] <= now_s:
            del self._arriving[oldest[0]]  # its handshake came to nothing
        count = len(self._server.connections) - self._idle.leaving_count + len(self._arriving)
        if count >= self._connections_max and not self._idle.end_one():
            return _HangUp()
        arrival = _Arrival(self.accept)
        self._arriving[arrival] = now_s + _HANDSHAKE_S
        return arrival

    def accept(self, arrival: "_Arrival", transport: asyncio.Transport) -> None:
        """Hand the connection over to the server, which counts it from now on."""
        self._arriving.pop(arrival, None)
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        self._idle.add(handler, len(self._server.connections))


class _IdleConnections:
    """The connections of one listener, roughly those first that have been idle for longest.

    Idle is whoever is served no request: nothing was asked yet, or the head of a request is not whole, however much of
    it comes. What aiohttp does not tell is read from its protocol; a test keeps to that.
    """

    def __init__(self) -> None:
        self._known: deque[tuple[RequestHandler, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.leaving_count = 0

    def add(self, handler: RequestHandler, open_count: int) -> None:
        """Take note of a new connection, one of so many, and end it if it asks for nothing in time."""
        loop = asyncio.get_running_loop()
        if len(self._known) > _ENDED_MAX + 2 * open_count:
            self._forget_ended()
        self._known.append((handler, loop.time()))
        self._timer = self._timer or loop.call_later(_SWEEP_S, self._end_silent)

    def end_one(self) -> bool:
        """End the connection that has been idle for longest, as far as some looks show; tell whether one was."""
        found: tuple[RequestHandler, float] | None = None
        for _ in range(min(len(self._known), _LOOKS_MAX)):
            handler, noted_s = self._known.popleft()
            if _has_ended(handler):
                continue
            since_s = _idle_since_s(handler, noted_s)
            self._known.append((handler, noted_s if since_s is None else since_s))
            if since_s is not None and (found is None or since_s < found[1]):
                found = handler, since_s
            if since_s == noted_s:  # it stood at the front as long as nobody behind it can have been idle
                break
        if found is not None:
            self._end(found[0])
        return found is not None

    def _end_silent(self) -> None:
        """End those that have asked for nothing in time, and look again later if there are others."""
        loop = asyncio.get_running_loop()
        for handler, noted_s in self._known:
            if _has_asked_nothing(handler) and loop.time() - noted_s >= _FIRST_HEAD_WITHIN_S:
                self._end(handler)
        self._forget_ended()
        self._timer = loop.call_later(_SWEEP_S, self._end_silent) if self._known else None

    def _forget_ended(self) -> None:
        self._known = deque(each for each in self._known if not _has_ended(each[0]))

    def _end(self, handler: RequestHandler) -> None:
        """Cut the connection, with what its peer has not read; the server counts it until the loop's next turn."""
        if handler.transport is not None:
            handler.transport.abort()
            self.leaving_count += 1
            asyncio.get_running_loop().call_soon(self._note_left)

    def _note_left(self) -> None:
        self.leaving_count -= 1


def _idle_since_s(handler: RequestHandler, accepted_s: float) -> float | None:
    """Return since when a connection is idle, on the loop's clock; None while it is served."""
    if handler._request_in_progress or handler._messages:  # noqa: SLF001
        return None
    return max(accepted_s, handler._next_keepalive_close_time - handler._keepalive_timeout)  # noqa: SLF001


def _has_ended(handler: RequestHandler) -> bool:
    return handler.transport is None or handler.transport.is_closing()


def _has_asked_nothing(handler: RequestHandler) -> bool:
    return handler._request_count == 0  # noqa: SLF001


class _Arrival(asyncio.Protocol):
    """A connection whose handshake is still to come, if it has one."""

    def __init__(self, accept: Callable[["_Arrival", asyncio.Transport], None]) -> None:
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._accept(self, cast("asyncio.Transport", transport))


class _HangUp(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
