"""Plays many callers of one daemon for some seconds, as a process of its own: pollers, readers of events, or a caller.

python -m tests.benchmarks.measures.crowd poll|read|call ADDRESS KEY PATH COUNT SECONDS; what came of it is JSON
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_CHUNK_BYTES = 1 << 16
#: A slow reader takes so many bytes so often: less than comes.
_SLOW_BYTES, _SLOW_EVERY_S = 4096, 0.1
#: Who reads nothing begins so much later to read, so that it is late by then.
_LATER_S = 8.0
#: After that long without anything new a reader has all there is.
_QUIET_S = 3.0
_PERIOD_S = {"poll": 1.0, "call": 0.02}


@dataclass(frozen=True, slots=True)
class Api:
    """Where the daemon is asked (`HOST:PORT` or the path of a unix socket), and with which key."""

    address: str
    key: str

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; little is read ahead of what is taken."""
        host, _, port = self.address.rpartition(":")
        if port.isdecimal():
            return await asyncio.open_connection(host, int(port), limit=_CHUNK_BYTES)
        return await asyncio.open_unix_connection(self.address, limit=_CHUNK_BYTES)

    def get(self, path: str, *headers: str) -> bytes:
        """Return a GET as it goes over the wire."""
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {self.key}", *headers, "", ""]
        return "\r\n".join(lines).encode()


@dataclass(slots=True)
class Stream:
    """What one reader of events was sent, and how often its connection was cut."""

    api: Api
    path: str
    numbers: list[int] = field(default_factory=list)
    cuts: int = 0
    _writer: asyncio.StreamWriter | None = None
    _reader: asyncio.StreamReader | None = None
    _waiting: bytes = b""

    async def open(self) -> None:
        """Begin to read, where it broke off."""
        self._reader, self._writer = await self.api.open()
        last = [f"Last-Event-ID: {self.numbers[-1]}"] if self.numbers else []
        self._writer.write(self.api.get(self.path, "Accept: text/event-stream", *last))
        self._waiting = b""

    async def take(self, at_most: int) -> None:
        """Read what has come, and come again if the connection was cut."""
        assert self._reader is not None
        assert self._writer is not None
        chunk = b""
        with suppress(OSError):
            chunk = await self._reader.read(at_most)
        if not chunk:
            self.cuts += 1
            self._writer.close()
            await self.open()
            return
        self._waiting += chunk
        self._note()

    def _note(self) -> None:
        """Note the numbers of the events that are whole; a frame is one chunk of the answer or more."""
        whole, found, rest = self._waiting.rpartition(b"\n\n")
        if not found:
            return
        self._waiting = rest
        for line in whole.split(b"\n"):
            if line.startswith(b"id: "):
                self.numbers.append(int(line[4:]))


async def read(api: Api, path: str, count: int, seconds: float) -> dict[str, object]:
    """Let so many read events, the first slowly and the second not at all; these two catch up when the time is over."""
    streams = [Stream(api, path) for _ in range(count)]
    for stream in streams:
        await stream.open()
    slow, never, *others = streams
    ends_s = time.monotonic() + seconds
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_read_on(slow, ends_s, _SLOW_BYTES, _SLOW_EVERY_S))
        for each in others:
            tasks.create_task(_read_on(each, ends_s))
    async with asyncio.TaskGroup() as tasks:
        for each in streams:
            tasks.create_task(_catch_up(each, _LATER_S if each is never else 0.0))
    return {
        "slow": slow.numbers,
        "never": never.numbers,
        "quick": [each.numbers for each in others],
        "cuts": {"slow": slow.cuts, "never": never.cuts, "quick": sum(each.cuts for each in others)},
    }


async def _read_on(stream: Stream, ends_s: float, at_most: int = _CHUNK_BYTES, every_s: float = 0.0) -> None:
    while time.monotonic() < ends_s:
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await stream.take(at_most)
        await asyncio.sleep(every_s)


async def _catch_up(stream: Stream, later_s: float) -> None:
    await asyncio.sleep(later_s)
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(_QUIET_S):
                await stream.take(_CHUNK_BYTES)


async def ask(api: Api, path: str, count: int, seconds: float, period_s: float) -> dict[str, object]:
    """Let so many ask again and again at this pace, with the tag of the last answer; return how long each took."""
    times_s: list[float] = []
    statuses: dict[str, int] = {}
    ends_s = time.monotonic() + seconds

    async def go_on(number: int) -> None:
        reader, writer = await api.open()
        tag: list[str] = []
        due_s = time.monotonic() + period_s * number / count
        while due_s < ends_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            began_s = time.perf_counter()
            writer.write(api.get(path, *tag))
            status, tag = await _answer(reader)
            times_s.append(time.perf_counter() - began_s)
            statuses[status] = statuses.get(status, 0) + 1
            due_s = max(due_s + period_s, time.monotonic())
        writer.close()

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(go_on(number))
    return {"times_s": times_s, "statuses": statuses}


async def _answer(reader: asyncio.StreamReader) -> tuple[str, list[str]]:
    """Return the status of an answer, and its tag as the next request names it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    tags = [line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("etag: ")]
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif head[9:12] != "304":
        await reader.readexactly(int(fields.get("content-length", "0")))
    return head[9:12], [f"If-None-Match: {tag}" for tag in tags]


async def _play(kind: str, api: Api, path: str, numbers: Sequence[str]) -> dict[str, object]:
    count, seconds = int(numbers[0]), float(numbers[1])
    if kind == "read":
        return await read(api, path, count, seconds)
    return await ask(api, path, count, seconds, _PERIOD_S[kind])


if __name__ == "__main__":
    _kind, _address, _key, _path, *_numbers = sys.argv[1:]
    json.dump(asyncio.run(_play(_kind, Api(_address, _key), _path, _numbers)), sys.stdout)
