"""Listens at one place, and gives each peer that comes a connection as long as there is room."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from openwa_manager.api.connections.connection import Connection, Terms, TlsConnection

#: How many may wait in the kernel, and be accepted in one go before any of them is counted.
_BACKLOG_MAX = 128


class ListenerSite(web.BaseSite):
    """A listener of a runner's server; `place` is a host and a port, the path of a unix socket, or a bound socket.

    `tls` returns the context that the next connection agrees on keys with; None means plain HTTP.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        place: tuple[str, int] | Path | socket.socket,
        terms: Terms,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        super().__init__(runner, backlog=_BACKLOG_MAX)
        self._place = place
        self._terms = terms
        self._tls = tls
        self._timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """Return where it listens, in words."""
        if isinstance(self._place, Path):
            return f"unix:{self._place}"
        host, port = self._place.getsockname()[:2] if isinstance(self._place, socket.socket) else self._place
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> None:
        """Listen from now on.

        Raises:
            OSError: the place is taken, or not ours.
        """
        await super().start()
        loop = asyncio.get_running_loop()
        if isinstance(self._place, Path):
            self._server = await loop.create_unix_server(self._build, self._place, backlog=self._backlog)
        elif isinstance(self._place, socket.socket):
            self._server = await loop.create_server(self._build, sock=self._place, backlog=self._backlog)
        else:
            self._server = await loop.create_server(self._build, *self._place, backlog=self._backlog)

    async def stop(self) -> None:
        """Listen no longer; connections go on until their runner ends."""
        await super().stop()
        if self._timer is not None:
            self._timer.cancel()

    def _build(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        if server is None:  # pragma: no cover (the runner was set up before)
            raise RuntimeError(self.name)
        self._timer = self._timer or asyncio.get_running_loop().call_later(self._terms.timeouts.look_s, self._look)
        connection = Connection(server, self._terms)
        return connection if self._tls is None else TlsConnection(connection, self._tls())

    def _look(self) -> None:
        """End those that take too long, and look again later if there are others."""
        connections = self._terms.places.connections()
        # First of all: whatever goes wrong with one of them, the others are looked at again.
        self._timer = (
            asyncio.get_running_loop().call_later(self._terms.timeouts.look_s, self._look) if connections else None
        )
        for each in connections:
            if isinstance(each, Connection):
                each.look()
