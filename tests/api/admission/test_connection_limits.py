import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from openwa_manager.api.admission.connection_limits import CappedSite, ConnectionLimits, free_descriptor_count
from tests.fakes.polling import until

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def _answer(_: web.Request) -> web.Response:
    return web.Response()


@asynccontextmanager
async def listening(tmp_path: Path) -> AsyncIterator[tuple[web.AppRunner, tuple[str, int]]]:
    """Open a TCP listener for two connections and a socket for four, which share a server."""
    app = web.Application()
    app.router.add_get("/", _answer)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(app)
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await CappedSite(runner, ("127.0.0.1", 0), 2).start()
        await CappedSite(runner, tmp_path / "s", 4).start()
        host, port = next(each for each in runner.addresses if isinstance(each, tuple))[:2]
        yield runner, (str(host), int(port))


async def status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return the status of an answer; empty when the other side has hung up."""
    try:
        writer.write(REQUEST)
        return (await reader.readline()).split(b" ")[1]
    except (ConnectionError, IndexError):
        return b""


async def test_who_comes_when_all_connections_are_taken_is_hung_up_on(tmp_path: Path) -> None:
    async with listening(tmp_path) as (_, place):
        first, second, third = [await asyncio.open_connection(*place) for _ in range(3)]

        got = [await status(*each) for each in (first, second, third)]

        for _, writer in (first, second, third):
            writer.close()
    assert got == [b"200", b"200", b""]


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
