"""Measures what good callers notice of 500 strangers who hold connections, and of floods of wrong keys."""

import asyncio
import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.benchmarks.daemons import running
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians, percentiles

_STRANGERS = 500
#: So many, besides, try one wrong key after the other.
_TRYING = 32
_HEAD = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
_BODY = b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
_MUCH = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
_KEY = b"GET /v1/system HTTP/1.1\r\nHost: localhost\r\nX-API-Key: owm_admin_0\r\n\r\n"
#: What each begins with: nothing, a head or a body that never ends, answers that it does not read.
_BEGINNINGS = (b"", _HEAD, _BODY, _MUCH)
#: Who is cut off comes again after this, and sends a byte as often.
_PAUSE_S = 0.5
_BYTES = 20
_FILL_S = 3.0


def measure_strangers(calls: int) -> Iterator[Row]:
    """Make `calls` calls alone, and as many while strangers hold connections: on kept ones, and on new ones."""
    with running({}) as (daemon, _):
        key = (daemon.home / "admin.key").read_text().strip()
        _times_s(daemon.port, key, 1, is_kept=False, path="/openapi.json")  # it is written at the first call
        alone_s = _times_s(daemon.port, key, calls, is_kept=False)
        with _strangers(daemon.port):
            time.sleep(_FILL_S)
            kept_s = _times_s(daemon.port, key, calls, is_kept=True)
            new_s = _times_s(daemon.port, key, calls, is_kept=False)
    words = f"beside {_STRANGERS} strangers and wrong keys (floor: alone)"
    for name, times_s in (("a call on a kept line", kept_s), ("a call on a new line", new_s)):
        samples = {OURS: times_s, FLOOR: alone_s}
        yield Row(name=f"{name} {words}, median", unit="ms", values=medians(samples, 1000))
        values = percentiles(samples, 99, 1000)
        yield Row(name=f"{name} {words}, p99", unit="ms", values=values, goals=[Goal("", 100)])


def _times_s(port: int, key: str, calls: int, *, is_kept: bool, path: str = "/v1/sessions") -> list[float]:
    line, times_s = http.client.HTTPConnection("127.0.0.1", port, timeout=30), []
    for _ in range(calls):
        begun_s = time.perf_counter()
        line.request("GET", path, headers={"X-API-Key": key})
        answer = line.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times_s.append(time.perf_counter() - begun_s)
        if not is_kept:
            line.close()
        time.sleep(0.005)
    line.close()
    return times_s


@contextmanager
def _strangers(port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.measures.strangers", str(port)])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def _hold(port: int, beginning: bytes) -> None:
    """Hold a connection, and come again whenever it is ended."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(beginning)
            for _ in range(_BYTES):
                await asyncio.sleep(_PAUSE_S)
                writer.write(b"" if beginning is _MUCH else b"X")
                await writer.drain()
        await asyncio.sleep(_PAUSE_S)


async def _try_keys(port: int) -> None:
    """Try a wrong key on one connection after the other, as fast as they are answered."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_KEY)
            await reader.read(4096)
            writer.close()


async def _hold_many(port: int) -> None:
    async with asyncio.TaskGroup() as strangers:
        for _ in range(_TRYING):
            strangers.create_task(_try_keys(port))
        for number in range(_STRANGERS):
            strangers.create_task(_hold(port, _BEGINNINGS[number % len(_BEGINNINGS)]))


if __name__ == "__main__":
    asyncio.run(_hold_many(int(sys.argv[1])))
