"""Signs bodies and posts them by bare aiohttp: each line of work in order, as many posts at once as the daemon makes.

The bodies are in memory before it begins; it records nothing, tries nothing again, and reads no answer's body.

python -m tests.benchmarks.floors.signing URL SECRET <BODIES, a JSON list of texts for each line of work
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import aiohttp

from openwa_manager.domain.delivery.delivery import DeliveryPolicy, Lane
from tests.benchmarks.floors.processes import floor_process

#: To one endpoint.
_PARALLEL = DeliveryPolicy().parallel_max[Lane.MAIN]
_SECRET = "a-secret-of-the-remote-backend"


@contextmanager
def running_signing(url: str, bodies: Sequence[Sequence[str]]) -> Iterator[None]:
    """Post these to `url`, those of a list one after the other; it begins on entering."""
    with floor_process("signing", url, _SECRET, given=json.dumps(bodies).encode()):
        yield


def _headers(secret: bytes, number: str, at: str, body: bytes) -> dict[str, str]:
    """Return the two signatures of a delivery: that of Standard Webhooks, and the plain one."""
    standard = hmac.digest(secret, f"{number}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": number,
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(standard).decode(),
        "X-OpenWA-Signature": "sha256=" + hmac.digest(secret, body, hashlib.sha256).hex(),
        "Content-Type": "application/json",
    }


async def _post_all(url: str, secret: bytes, bodies: Sequence[Sequence[str]]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_PARALLEL)) as session:

        async def post_each(those: Sequence[bytes]) -> None:
            for number, body in enumerate(those):
                at = str(int(time.time()))  # noqa: TID251 (a date for the receiver)
                async with session.post(url, data=body, headers=_headers(secret, f"evt_{number}", at, body)):
                    pass

        async with asyncio.TaskGroup() as tasks:
            for those in bodies:
                tasks.create_task(post_each([body.encode() for body in those]))


if __name__ == "__main__":
    waiting = json.load(sys.stdin)
    print("ready", flush=True)
    asyncio.run(_post_all(sys.argv[1], sys.argv[2].encode(), waiting))
