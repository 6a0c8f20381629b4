import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from openwa_manager.api.admission import connection_limits
from openwa_manager.api.admission.connection_limits import CappedSite, ConnectionLimits, free_descriptor_count
from tests.fakes.polling import until

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NEVER = b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _answer(_: web.Request) -> web.Response:
    return web.Response()


async def _answer_never(request: web.Request) -> web.StreamResponse:
    """Begin an answer, which goes on until the caller leaves."""
    response = web.StreamResponse()
    await response.prepare(request)
    async with asyncio.timeout(60):
        await asyncio.Event().wait()
    return response


@asynccontextmanager
async def listening(tmp_path: Path) -> AsyncIterator[tuple[web.AppRunner, tuple[str, int]]]:
    """Open a TCP listener for two connections and a socket for four, which share a server."""
    app = web.Application()
    app.router.add_get("/", _answer)
    app.router.add_get("/never", _answer_never)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await CappedSite(runner, ("127.0.0.1", 0), 2).start()
        await CappedSite(runner, tmp_path / "s", 4).start()
        host, port = next(each for each in runner.addresses if isinstance(each, tuple))[:2]
        yield runner, (str(host), int(port))


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes = REQUEST) -> bytes:
    """Return the status of an answer; empty when the other side has hung up."""
    try:
        writer.write(request)
        return (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
    except (ConnectionError, IndexError, asyncio.IncompleteReadError):
        return b""


async def connect(place: tuple[str, int]) -> Streams:
    return await asyncio.open_connection(*place)


def close(*connections: Streams) -> None:
    for _, writer in connections:
        writer.close()


async def test_who_comes_when_all_connections_are_served_is_hung_up_on(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, place):
        first, second = await connect(place), await connect(place)
        busy = [await status(*each, NEVER) for each in (first, second)]

        third = await connect(place)

        assert (busy, await status(*third)) == ([b"200", b"200"], b"")
        close(first, second, third)


async def test_whoever_is_idle_for_longest_makes_room(tmp_path: Path) -> None:
    async with listening(tmp_path) as (runner, place):
        assert runner.server is not None
        first, second = await connect(place), await connect(place)
        before = [await status(*first), await status(*second), await status(*first)]

        third = await connect(place)
        got = await status(*third)

        assert before == [b"200"] * 3
        assert got == b"200"
        assert await second[0].read() == b""
        assert await status(*first) == b"200"
        assert len(runner.server.connections) == 2
        close(first, second, third)


async def test_one_that_is_served_never_makes_room(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, place):
        served = await connect(place)
        began = await status(*served, NEVER)

        others = [await connect(place) for _ in range(6)]

        assert (began, await status(*others[-1])) == (b"200", b"200")
        assert not served[0].at_eof()
        close(served, *others)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: local"])
async def test_heads_that_never_end_keep_nobody_out(tmp_path: Path, begun: bytes) -> None:
    async with listening(tmp_path) as (_, place):
        slow = [await connect(place) for _ in range(40)]
        for _, writer in slow:
            writer.write(begun)
        last = await connect(place)

        assert await status(*last) == b"200"
        close(last, *slow)


async def test_a_connection_that_asks_for_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_limits, "_SWEEP_S", 0.01)
    async with listening(tmp_path) as (_, place):
        asked = await connect(place)
        before = await status(*asked)
        silent = await connect(place)

        monkeypatch.setattr(connection_limits, "_FIRST_HEAD_WITHIN_S", 0.0)

        async with asyncio.timeout(30):
            assert await silent[0].read() == b""
        assert (before, await status(*asked)) == (b"200", b"200")
        close(asked, silent)


async def test_the_socket_has_room_when_tcp_has_none(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, place):
        idle = [await asyncio.open_connection(*place) for _ in range(9)]

        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        got = await status(reader, writer)

        for _, each in [*idle, (reader, writer)]:
            each.close()
    assert got == b"200"


async def test_a_connection_that_ended_makes_room(tmp_path: Path) -> None:
    async with listening(tmp_path) as (runner, place):
        server = runner.server
        assert server is not None
        for _ in range(5):
            reader, writer = await asyncio.open_connection(*place)
            assert await status(reader, writer) == b"200"
            writer.close()
            await until(lambda: not server.connections)


@pytest.mark.parametrize("free_count", [0, 34, 1_000, 10**9])
def test_a_part_of_the_descriptors_is_left_for_our_own_connections(free_count: int) -> None:
    limits = ConnectionLimits.within(free_count)

    assert limits.control >= 4
    assert limits.control_and_socket > limits.control
    if free_count > 16:
        assert limits.control_and_socket + limits.intake <= free_count * 3 / 4


def test_open_descriptors_are_not_free() -> None:
    before = free_descriptor_count()

    with Path("/dev/null").open():
        during = free_descriptor_count()

    assert during == before - 1
