"""Caps how many connections callers may hold open, so that there are descriptors left for everything else."""

import asyncio
import resource
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from aiohttp import web

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
    """A listener that hangs up on whoever comes when `connections_max` are open on its runner already.

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
    """Gives each connection that was accepted its protocol: one that lets it in, or one that hangs up."""

    def __init__(self, server: web.Server, connections_max: int) -> None:
        self._server = server
        self._connections_max = connections_max
        self._arriving: dict[_Arrival, float] = {}

    def build(self) -> asyncio.BaseProtocol:
        """Return the protocol of one more connection."""
        now_s = asyncio.get_running_loop().time()
        while self._arriving and (oldest := next(iter(self._arriving.items())))[1] <= now_s:
            del self._arriving[oldest[0]]  # its handshake came to nothing
        if len(self._server.connections) + len(self._arriving) >= self._connections_max:
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


class _Arrival(asyncio.Protocol):
    """A connection whose handshake is still to come, if it has one."""

    def __init__(self, accept: Callable[["_Arrival", asyncio.Transport], None]) -> None:
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._accept(self, cast("asyncio.Transport", transport))


class _HangUp(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
