"""The least that delivery costs: a loop that signs and posts bodies, each session's in order, and records nothing.

Run as `python sending.py URL SECRET CONNECTIONS`; it reads lines of JSON `[session, id, body]` and begins at their end.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections import defaultdict

import aiohttp


async def _deliver(url: str, secret: bytes, connections: int) -> None:
    streams: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for line in sys.stdin:
        session, event_id, body = json.loads(line)
        streams[session].append((event_id, body.encode()))
    places = asyncio.Semaphore(connections)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http, asyncio.TaskGroup() as tasks:

        async def post_all(events: list[tuple[str, bytes]]) -> None:
            for event_id, body in events:
                async with places, http.post(url, data=body, headers=_signed(secret, event_id, body)) as answer:
                    await answer.read()

        for events in streams.values():
            tasks.create_task(post_all(events))


def _signed(secret: bytes, event_id: str, body: bytes) -> dict[str, str]:
    at = str(int(time.time()))  # noqa: TID251 (what the receiver compares with its own)
    standard = hmac.digest(secret, f"{event_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(standard).decode(),
        "X-OpenWA-Signature": "sha256=" + hmac.digest(secret, body, hashlib.sha256).hex(),
    }


if __name__ == "__main__":
    asyncio.run(_deliver(sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])))
