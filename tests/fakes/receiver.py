"""A backend that receives webhooks over real HTTP, with a vice of the test's choice."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Vice = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One POST as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]

    @property
    def json(self) -> dict[str, object]:
        value: dict[str, object] = json.loads(self.body)
        return value


@dataclass(slots=True)
class Receiver:
    """Keeps every POST it gets; `answers` are used up first, each a status or a vice, then it says 200."""

    url: str = ""
    answers: list[int | Vice] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    parallel_max: int = 0
    _parallel: int = 0
    _arrival: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the POST and answer it."""
        self._parallel += 1
        self.parallel_max = max(self.parallel_max, self._parallel)
        try:
            return await self._handle(request)
        finally:
            self._parallel -= 1

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        post = Received(path=request.path, headers=dict(request.headers), body=await request.read(), peer=peer)
        answer = self.answers.pop(0) if self.answers else 200
        self.received.append(post)
        async with self._arrival:
            self._arrival.notify_all()
        return web.Response(status=answer) if isinstance(answer, int) else await answer(request)

    async def until(self, count: int) -> list[Received]:
        """Return what was received once there are at least so many."""
        async with asyncio.timeout(20), self._arrival:
            await self._arrival.wait_for(lambda: len(self.received) >= count)
        return self.received


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def hang(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def talk_no_http(request: web.Request) -> web.StreamResponse:
    """Answer as a server of something else would."""
    if request.transport is not None:
        request.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        request.transport.close()
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def promise_and_hang_up(request: web.Request) -> web.StreamResponse:
    """Say 200, promise a body and close before it came."""
    response = web.StreamResponse(status=200, headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"x")
    if request.transport is not None:
        request.transport.close()
    return response


async def answer_without_end(request: web.Request) -> web.StreamResponse:
    """Say 200 and send a body that never ends."""
    response = web.StreamResponse(status=200)
    await response.prepare(request)
    while True:
        await response.write(b"x" * 4096)


def ask_to_wait(status: int, retry_after: str) -> Vice:
    """Answer with a Retry-After."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": retry_after})

    return answer


def redirect(location: str) -> Vice:
    """Point somewhere else."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    return answer
