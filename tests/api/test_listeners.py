import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from openwa_manager.api.connections.limits import ConnectionLimits
from openwa_manager.api.listeners import ListenAddresses, listen

LOOPBACK = ("127.0.0.1", 0)


async def _break(_: web.Request) -> web.Response:
    raise ZeroDivisionError


@asynccontextmanager
async def listening(socket: Path) -> AsyncIterator[None]:
    control = web.Application()
    control.router.add_get("/broken", _break)
    async with AsyncExitStack() as stack:
        places = ListenAddresses(control=LOOPBACK, intake=LOOPBACK, socket=socket)
        await listen(places, control, web.Application(), stack, ConnectionLimits())
        yield


async def answered(socket: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(request)
    status = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return status.split()[1]


@pytest.mark.parametrize(
    ("request_", "status", "levels"),
    [
        (b"GET /v1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400", []),
        (b"GET /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"400", []),
        (b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n", b"500", ["ERROR"]),
    ],
    ids=["doubled-header", "bad-length", "bug"],
)
async def test_malformed_http_is_the_callers_mistake_and_not_in_our_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request_: bytes, status: bytes, levels: list[str]
) -> None:
    async with listening(tmp_path / "s"):
        assert await answered(tmp_path / "s", request_) == status

    assert [record.levelname for record in caplog.records] == levels
