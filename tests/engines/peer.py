"""An OpenWA with bad manners: a small HTTP server that answers as other versions and broken ones do."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import Launch
from openwa_manager.engines.mapping import inner_name
from tests.engines.rig import SESSION_ID

ROW: Mapping[str, Json] = {
    "id": "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f",
    "name": inner_name(SESSION_ID),
    "status": "created",
}


@dataclass
class Peer:
    """`answers` maps a call to the (status, body) it gets, one after the other; the last one is repeated.

    A call that is absent succeeds. `calls` are those that were made, each with its body. `held_call` is not
    answered before `hold` is set.
    """

    answers: dict[str, list[tuple[int, Json]]] = field(default_factory=dict)
    calls: list[tuple[str, Json]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    held_call: str = ""
    row: Mapping[str, Json] = field(default_factory=lambda: ROW)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_holding: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        call = f"{request.method} {request.path}"
        self.calls.append((call, await request.json() if request.can_read_body else None))
        if call == self.held_call:
            self.is_holding.set()
            async with asyncio.timeout(30):
                await self.hold.wait()
        status, body = self._answer(call)
        raw = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=raw, content_type="application/json", headers=self.headers)

    def _answer(self, call: str) -> tuple[int, Json]:
        planned = self.answers.get(call)
        if planned:
            return planned.pop(0) if len(planned) > 1 else planned[0]
        if call == "GET /api/sessions":
            return 200, [self.row]
        return 200, [] if call.endswith("webhooks") else self.row

    def bodies(self, call: str) -> list[Json]:
        return [body for made, body in self.calls if made == call]


@asynccontextmanager
async def serving(peer: Peer, launch: Launch) -> AsyncIterator[Peer]:
    """Have it listen where the launch's engine should."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", peer.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    assert launch.socket is not None
    await web.UnixSite(runner, str(launch.socket)).start()
    try:
        yield peer
    finally:
        peer.hold.set()
        await runner.cleanup()


@dataclass
class RawPeer:
    """A listener that does with each connection what `treat` does; `heard` is all it read of each."""

    treat: Callable[["RawPeer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    heard: list[bytes] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    is_reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.treat(self, reader, writer)
        finally:
            writer.close()

    async def hear(self, reader: asyncio.StreamReader) -> bytes:
        """Read one whole request and return its body."""
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length: ")
        body = await reader.readexactly(int(rest.split(b"\r\n")[0])) if rest else b""
        self.heard.append(head + body)
        self.is_reached.set()
        return body


@asynccontextmanager
async def raw_serving(peer: RawPeer, launch: Launch) -> AsyncIterator[RawPeer]:
    """Have it listen where the launch's engine should."""
    assert launch.socket is not None
    server = await asyncio.start_unix_server(peer.take, str(launch.socket))
    try:
        yield peer
    finally:
        peer.release.set()
        server.close()
