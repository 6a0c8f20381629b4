"""Callers that attack, in a process of their own.

`python -m tests.soak.callers PORT INTAKE KEY_FILE SOCKET SEED [NAMES]`

Two of the attacks run at a time, each for some seconds; what runs is written to standard output, a line of JSON each.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: How long one attack goes on.
_TURN_S = 8.0
_CALLERS = 20
_IDLE = 400
_DEEP = b"[" * 500_000


@dataclass(frozen=True, slots=True)
class Target:
    """The daemon under attack."""

    port: int
    intake: int
    key: str
    socket: str


Attack = Callable[[Target], Awaitable[None]]


async def _send(port: int, content: bytes, read_bytes: int = 1 << 16) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(content)
        await writer.drain()
        return await reader.read(read_bytes)
    finally:
        writer.transport.abort()


def _request(head: str, target: Target, body: bytes = b"", *, is_known: bool = False) -> bytes:
    lines = [f"{head} HTTP/1.1", f"Host: 127.0.0.1:{target.port}"]
    if is_known:
        lines.append(f"X-API-Key: {target.key}")
    if body:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def _many(work: Callable[[], Awaitable[object]], count: int = _CALLERS) -> None:
    """Have so many do it again and again."""

    async def one() -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await work()
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(one())


async def without_key(target: Target) -> None:
    """Ask without a key, on connections that are kept and on new ones."""
    asked = _request("GET /v1/sessions", target)

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            for _ in range(100):
                writer.write(asked)
                await reader.readuntil(b"}")
        finally:
            writer.transport.abort()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_many(ask))
        tasks.create_task(_many(lambda: _send(target.port, asked)))


async def idle(target: Target) -> None:
    """Hold connections open and say nothing, or a byte now and then, to all listeners."""
    lines = []
    try:
        for number in range(_IDLE):
            with suppress(OSError):
                port = target.intake if number % 2 else target.port
                lines.append((await asyncio.open_connection("127.0.0.1", port))[1])
        for _ in range(_IDLE // 4):
            with suppress(OSError):
                lines.append((await asyncio.open_unix_connection(target.socket))[1])
        while True:
            for writer in lines[::2]:
                if not writer.is_closing():
                    writer.write(b"G")
            await asyncio.sleep(0.5)
    finally:
        for writer in lines:
            writer.transport.abort()


async def slow(target: Target) -> None:
    """Send heads and bodies a byte at a time."""

    async def drip(content: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            for at in range(len(content)):
                writer.write(content[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0.3)
        finally:
            writer.transport.abort()

    body = _request("POST /v1/sessions", target, b'{"session_id": "slow"}', is_known=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_many(lambda: drip(body), 100))
        tasks.create_task(_many(lambda: drip(_request("GET /v1/sessions", target)), 100))


async def large(target: Target) -> None:
    """Send bodies of 100 MB, announced and in chunks, with a key and without."""
    chunk = f"{1 << 20:x}\r\n".encode() + b"x" * (1 << 20) + b"\r\n"

    async def pour(*, is_chunked: bool, is_known: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        known = f"X-API-Key: {target.key}\r\n" if is_known else ""
        size = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 100000000"
        head = f"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n{known}{size}\r\n\r\n"
        try:
            writer.write(head.encode())
            for _ in range(100):
                writer.write(chunk)
                await writer.drain()
            await reader.read(1000)
        finally:
            writer.transport.abort()

    async with asyncio.TaskGroup() as tasks:
        for is_chunked in (True, False):
            for is_known in (True, False):
                work = _pouring(pour, is_chunked=is_chunked, is_known=is_known)
                tasks.create_task(_many(work, 2))


def _pouring(
    pour: Callable[..., Awaitable[None]], *, is_chunked: bool, is_known: bool
) -> Callable[[], Awaitable[None]]:
    return lambda: pour(is_chunked=is_chunked, is_known=is_known)


async def invalid(target: Target) -> None:
    """Send what is no JSON, or too deep, and requests that are none."""
    tries = [
        *(_request("POST /v1/sessions", target, body, is_known=True) for body in (_DEEP, b"\xff" * 100_000, b"{")),
        _request("POST /v1/sessions", target, b'{"a":' * 900 + b"1" + b"}" * 900, is_known=True),
        _request("POST /v1/sessions", target, b'{"session_id": "\\ud800", "labels": {"a": 1e999}}', is_known=True),
        _request("PATCH /v1/sessions/neighbour-0", target, b"[" + b"0," * 400_000 + b"0]", is_known=True),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 100,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]
    dice = random.Random(1)  # noqa: S311 (dice)
    await _many(lambda: _send(target.port, dice.choice(tries)), 8)


async def other_targets(target: Target) -> None:
    """Name another host in the target, expect what cannot be, ask for a thousand things at once."""
    tries = [
        f"GET http://evil.example/v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode(),
        _request("GET http://evil.example/v1/sessions", target, is_known=True),
        b"POST /v1/sessions HTTP/1.1\r\nHost: evil.example\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        f"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nExpect: tea\r\n\r\n".encode(),
        _request("GET /v1/sessions", target) * 500,
        _request("GET /livez", target) * 500,
        _request("GET /v1/sessions/neighbour-0", target, is_known=True) * 200,
        _request("GET /v1/sessions/..%2f..%2fetc%2fpasswd/logs", target, is_known=True),
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
    dice = random.Random(2)  # noqa: S311 (dice)
    await _many(lambda: _send(target.port, dice.choice(tries), 200), 8)


async def pages(target: Target) -> None:
    """Ask for the largest pages there are, and read them, or not."""
    tries = [
        "/v1/events?limit=1000",
        "/v1/events?tail=1000",
        "/v1/events?tail=1000&type=message.received",
        "/v1/sessions?limit=500",
        "/v1/sessions/neighbour-0/why?limit=1000",
        "/v1/deliveries?limit=1000",
        "/api/sessions",
        "/v1/openapi.json",
        "/metrics",
    ]
    dice = random.Random(3)  # noqa: S311 (dice)

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            writer.write(_request(f"GET {dice.choice(tries)}", target, is_known=True))
            if dice.random() < 0.3:
                await asyncio.sleep(3)
                return
            async with asyncio.timeout(3):
                while await reader.read(1 << 20):
                    pass
        except TimeoutError:
            pass
        finally:
            writer.transport.abort()

    await _many(ask, 4)


async def deaf_readers(target: Target) -> None:
    """Open streams of events and read nothing of them."""

    async def listen() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", target.port, limit=1)
        try:
            asked = _request("GET /v1/events?after=0", target, is_known=True)
            writer.write(asked[:-2] + b"Accept: text/event-stream\r\n\r\n")
            await asyncio.sleep(_TURN_S)
        finally:
            writer.transport.abort()

    await _many(listen, 30)


async def unsigned_posts(target: Target) -> None:
    """Post to the intake what no engine has signed."""
    body = json.dumps({"event": "message.received", "data": {"body": "x" * 100_000}}).encode()
    launch = "00000000-0000-4000-8000-000000000000"
    await _many(lambda: _send(target.intake, _request(f"POST /hooks/neighbour-0/{launch}", target, body)), 20)


async def engine_calls(target: Target) -> None:
    """Call hostile engines through the gateway."""
    message = json.dumps({"chatId": "85212345678@c.us", "text": "x"}).encode()

    async def call() -> None:
        listed = await _send(target.port, _request("GET /v1/registry", target, is_known=True))
        with suppress(ValueError):
            names = [name for name in json.loads(listed.partition(b"\r\n\r\n")[2]) if not name.startswith("neighbour")]
            name = random.choice(names or ["none"])  # noqa: S311 (dice)
            path = random.choice(("contacts", "groups", "chats", "status"))  # noqa: S311 (dice)
            async with asyncio.timeout(5):
                await _send(target.port, _request(f"GET /api/sessions/{name}/{path}", target, is_known=True))
                sent = _request(f"POST /api/sessions/{name}/messages/send-text", target, message, is_known=True)
                await _send(target.port, sent)

    async def bounded() -> None:
        with suppress(TimeoutError):
            await call()

    await _many(bounded, 8)


ATTACKS: dict[str, Attack] = {
    "without_key": without_key,
    "idle": idle,
    "slow": slow,
    "large": large,
    "invalid": invalid,
    "other_targets": other_targets,
    "pages": pages,
    "deaf_readers": deaf_readers,
    "unsigned_posts": unsigned_posts,
    "engine_calls": engine_calls,
}


async def _run(target: Target, seed: int, names: list[str]) -> None:
    dice = random.Random(seed)  # noqa: S311 (dice)
    while True:
        chosen = dice.sample(names, min(2, len(names)))
        began_at = time.time()  # noqa: TID251 (compared with that of another process)
        try:
            async with asyncio.timeout(_TURN_S), asyncio.TaskGroup() as tasks:
                for name in chosen:
                    tasks.create_task(_attack(name, target))
        except TimeoutError:
            pass
        for name in chosen:
            print(json.dumps({"name": name, "from": began_at, "until": time.time()}), flush=True)  # noqa: TID251


async def _attack(name: str, target: Target) -> None:
    await ATTACKS[name](target)


def main(words: list[str]) -> None:
    """Attack until killed."""
    port, intake, key_file, socket, seed, *names = words
    target = Target(int(port), int(intake), Path(key_file).read_text().strip(), socket)
    asyncio.run(_run(target, int(seed), names or [*ATTACKS]))


if __name__ == "__main__":
    main(sys.argv[1:])
