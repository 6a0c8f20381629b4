"""A caller that writes bytes as it likes, to the real listeners of a whole daemon's inside."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

_ANSWER_WITHIN_S = 30.0
#: What would be served if it were taken for a request of its own.
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer on the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the listeners are, and the admin's key."""

    port: int
    intake_port: int
    key: str

    def filled(self, raw: bytes) -> bytes:
        """Return a request with `{port}` and `{key}` filled in."""
        return raw.replace(b"{port}", str(self.port).encode()).replace(b"{key}", self.key.encode())


async def exchange(port: int, *parts: bytes) -> list[Answer]:
    """Write the parts, and return all that is answered until the other side ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0)
            return [answer async for answer in _answers(reader)]
    finally:
        writer.transport.abort()


async def _answers(reader: asyncio.StreamReader) -> AsyncIterator[Answer]:
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        status = int(head[0].split(" ")[1])
        length = int(headers.get("content-length", 0))
        yield Answer(status, headers, await reader.readexactly(length))
