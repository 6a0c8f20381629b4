"""A small listener with few places and little timeouts, and callers with a socket of their own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from openwa_manager.api.connections.connection import Terms
from openwa_manager.api.connections.holders import hold_place
from openwa_manager.api.connections.limits import Timeouts
from openwa_manager.api.connections.places import Places
from openwa_manager.api.connections.site import ListenerSite

#: What nobody in a test takes too long for.
PATIENT = Timeouts(head_s=600, idle_s=600, reading_s=600, look_s=0.01)
Wrap = Callable[[], ssl.SSLContext]


async def _hold(request: web.Request) -> None:
    hold_place(request, request.headers.get("X-API-Key"))


async def _answer(request: web.Request) -> web.Response:
    await _hold(request)
    return web.Response(text=await request.text())


async def _answer_never(request: web.Request) -> web.StreamResponse:
    """Begin an answer, which goes on until the caller leaves."""
    await _hold(request)
    response = web.StreamResponse()
    await response.prepare(request)
    async with asyncio.timeout(60):
        await asyncio.Event().wait()
    return response


async def _answer_much(request: web.Request) -> web.Response:
    await _hold(request)
    return web.Response(body=bytes(32 << 20))


@dataclass
class House:
    """A listener on TCP and one on a unix socket, of one server."""

    runner: web.AppRunner
    port: int
    socket: Path
    callers: list["Caller"] = field(default_factory=list)

    @property
    def connection_count(self) -> int:
        """Return how many connections the server has."""
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    async def enter(self, tls: ssl.SSLContext | None = None) -> "Caller":
        """Connect over TCP; over TLS with a context of the caller's."""
        streams = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=tls and "localhost")
        self.callers.append(Caller(*streams))
        return self.callers[-1]

    async def enter_by_socket(self) -> "Caller":
        """Connect through the unix socket."""
        self.callers.append(Caller(*await asyncio.open_unix_connection(self.socket)))
        return self.callers[-1]


@dataclass
class Caller:
    """One connection, written to and read as it is."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, raw: bytes) -> None:
        """Send something."""
        self.writer.write(raw)

    async def ask(self, target: str = "/", key: str | None = None) -> int | None:
        """Send a request; return the status of the answer, None when the other side hangs up."""
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n"
        self.say(f"{head}{f'X-API-Key: {key}' + chr(13) + chr(10) if key else ''}\r\n".encode())
        return await self.status()

    async def status(self) -> int | None:
        """Return the status of the next answer; None when the other side has hung up."""
        try:
            return int((await self.reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
        except (ConnectionError, asyncio.IncompleteReadError):
            return None

    async def is_hung_up_on(self) -> bool:
        """Tell whether the other side ends the connection without a word."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def open_house(
    tmp_path: Path, *, places: int = 2, per_group: int = 32, timeouts: Timeouts = PATIENT, tls: Wrap | None = None
) -> AsyncIterator[House]:
    """Listen on TCP with so many places, and on a socket with twice as many."""
    app = web.Application()
    app.router.add_route("*", "/", _answer)
    app.router.add_get("/never", _answer_never)
    app.router.add_get("/much", _answer_much)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        for place, count in ((("127.0.0.1", 0), places), (tmp_path / "s", 2 * places)):
            terms = Terms(places=Places(count, per_group), timeouts=timeouts, group_of=lambda peer: peer)
            await ListenerSite(runner, place, terms, None if isinstance(place, Path) else tls).start()
        port = next(each[1] for each in runner.addresses if isinstance(each, tuple))
        house = House(runner, port, tmp_path / "s")
        yield house
        for each in house.callers:
            each.writer.transport.abort()
