"""The least that an intake costs: a bare aiohttp POST that checks a signature and keeps nothing.

Run as `python receiving.py PORT SECRET`.
"""

import hashlib
import hmac
import sys

from aiohttp import web


def _app(secret: bytes) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        wanted = "sha256=" + hmac.digest(secret, await request.read(), hashlib.sha256).hex()
        is_signed = hmac.compare_digest(wanted, request.headers.get("X-OpenWA-Signature", ""))
        return web.Response(status=200 if is_signed else 401)

    app = web.Application()
    app.router.add_post("/hooks/{session_id}/{launch_id}", take)
    return app


if __name__ == "__main__":
    web.run_app(_app(sys.argv[2].encode()), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
