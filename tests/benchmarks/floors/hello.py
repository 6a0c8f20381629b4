"""Answers every GET with the same JSON by bare aiohttp, of which nothing can be left out.

python -m tests.benchmarks.floors.hello PORT <BODY
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from tests.benchmarks.floors.processes import floor_process
from tests.fakes.ports import free_ports


@contextmanager
def running_hello(body: bytes) -> Iterator[str]:
    """Run it until left, and yield its address, `HOST:PORT`."""
    (port,) = free_ports(1)
    with floor_process("hello", str(port), given=body):
        yield f"127.0.0.1:{port}"


async def serve(app: web.Application, place: int | Path) -> None:
    """Serve on this port of loopback, or this unix socket, until cancelled, without an access log; say when."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", place) if isinstance(place, int) else web.UnixSite(runner, str(place))
    await site.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def _hello(body: bytes) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


if __name__ == "__main__":
    asyncio.run(serve(_hello(sys.stdin.buffer.read()), int(sys.argv[1])))
