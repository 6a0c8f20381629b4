"""Takes signed posts by bare aiohttp: reads the body, checks its HMAC, answers 200.

It does not read the JSON, store anything, know a post that comes twice, or limit who posts how much.

python -m tests.benchmarks.floors.posts PORT SECRET
"""

import asyncio
import hashlib
import hmac
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from tests.benchmarks.floors.hello import serve
from tests.benchmarks.floors.processes import floor_process
from tests.fakes.ports import free_ports

SECRET = "the-secret-of-one-engine"


@contextmanager
def running_posts() -> Iterator[str]:
    """Run it until left, and yield the URL to post to; posts are signed with `SECRET`."""
    (port,) = free_ports(1)
    with floor_process("posts", str(port), SECRET):
        yield f"http://127.0.0.1:{port}/intake"


def _taker(secret: bytes) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        signature = hmac.new(secret, await request.read(), hashlib.sha256).hexdigest()
        is_signed = hmac.compare_digest(request.headers["X-OpenWA-Signature"].removeprefix("sha256="), signature)
        return web.Response(status=200 if is_signed else 401)

    app = web.Application()
    app.router.add_post("/intake", take)
    return app


if __name__ == "__main__":
    asyncio.run(serve(_taker(sys.argv[2].encode()), int(sys.argv[1])))
