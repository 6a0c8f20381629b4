"""Two servers in processes of their own: one that takes the daemon's posts, and a bare one to compare latencies with.

`python -m tests.soak.servers receiver PORT FILE` writes a line of JSON for each message of a neighbour that arrived;
`python -m tests.soak.servers bare PORT` answers every GET as `/livez` does.
"""

import json
import sys
import time
from pathlib import Path
from typing import TextIO

from aiohttp import web

from tests.e2e.peers.upstream import is_signed

#: What the ids of the healthy sessions begin with.
NEIGHBOUR = "neighbour"


def _bare() -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.router.add_get("/livez", answer)
    return app


def _receiver(file: TextIO) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        event = json.loads(body)
        session_id = str(event["session_id"])
        if session_id.startswith(NEIGHBOUR):
            headers = {name.lower(): value for name, value in request.headers.items()}
            line = {
                "session": session_id,
                "type": event["type"],
                "seq": event["seq"],
                "text": _text_of(event),
                "at": time.time(),  # noqa: TID251 (compared with that of another process)
                "is_signed": is_signed(headers, body),
            }
            print(json.dumps(line), file=file, flush=True)
        return web.Response(status=204)

    app = web.Application(client_max_size=8 << 20)
    app.router.add_post("/webhooks/openwa", take)
    return app


def _text_of(event: dict[str, object]) -> str:
    data = event.get("data")
    text = data.get("body", "") if isinstance(data, dict) else ""
    return str(text)


def main(words: list[str]) -> None:
    """Serve until killed."""
    if words[0] == "bare":
        web.run_app(_bare(), host="127.0.0.1", port=int(words[1]), print=None, access_log=None)
        return
    with Path(words[2]).open("a", encoding="utf-8") as file:
        web.run_app(_receiver(file), host="127.0.0.1", port=int(words[1]), print=None, access_log=None)


if __name__ == "__main__":
    main(sys.argv[1:])
