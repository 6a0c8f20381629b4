"""What is read of an engine that is asked through its socket; each peer answers in bytes of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.session.session import Launch
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.processes.reading.listeners import EngineListeners
from tests.engines.peer import RawPeer, raw_serving
from tests.engines.rig import KEY, free_port, new_launch

ID = "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f"
ROW = b'[{"id":"%s","name":"n","status":"ready"}]' % ID.encode()
OK = b"HTTP/1.1 200 OK\r\n"
#: A longer line than is read.
LONG = b"X: " + b"x" * 9000 + b"\r\n"


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return new_launch(free_port(), socket=tmp_path / "s")


@pytest.fixture
async def client(launch: Launch) -> AsyncIterator[EngineClient]:
    client = EngineClient(launch, KEY, 10.0, EngineListeners())
    yield client
    await client.close()


def saying(*parts: bytes) -> RawPeer:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.hear(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return RawPeer(treat)


@pytest.mark.parametrize(
    "parts",
    [
        [OK + b"Content-Length: %d\r\n\r\n" % len(ROW) + ROW],
        [OK, b"Content-Length: %d\r\n\r\n" % len(ROW), ROW[:5], ROW[5:]],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % len(ROW) + ROW + b"\r\n", b"0\r\n\r\n"],
        [OK + b"\r\n" + ROW],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: %d\r\n\r\n" % len(ROW) + ROW],
    ],
)
async def test_an_answer_is_read_however_it_comes(client: EngineClient, launch: Launch, parts: list[bytes]) -> None:
    async with raw_serving(saying(*parts), launch) as peer:
        rows = await client.sessions()

    assert [row.id for row in rows] == [ID]
    assert peer.heard[0].startswith(b"GET /api/sessions HTTP/1.1\r\nHost: localhost\r\n")
    assert f"X-API-Key: {KEY}\r\n".encode() in peer.heard[0]
    assert b"Connection: close\r\n" in peer.heard[0]


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([], "closed the connection"),
        ([OK], "closed the connection"),
        ([OK + b"Content-Length: 100\r\n\r\n" + ROW], "whole"),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + ROW[:3]], "whole"),
        ([b"SSH-2.0-OpenSSH_9.9\r\n"], "no whole one"),
        ([OK + LONG + b"\r\n"], "no whole one"),
        ([OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"], "packed"),
        ([b"HTTP/1.1 700 Odd\r\nContent-Length: 2\r\n\r\n[]"], "700"),
        ([OK + b"\r\n", *([b"x" * 65_536] * 60)], "longer than"),
        ([OK + b"Transfer-Encoding: chunked\r\n\r\n", *([b"1\r\nx\r\n" * 10_000] * 25)], "no whole one"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    client: EngineClient, launch: Launch, parts: list[bytes], why: str
) -> None:
    async with raw_serving(saying(*parts), launch):
        with pytest.raises(EngineError, match=why):
            await client.sessions()


@pytest.mark.parametrize("answer", [b"x" * 60_000 + b"\r\n", OK + b"a\tb: c" * 900 + b"\r\n\r\n"])
async def test_an_error_repeats_nothing_of_what_an_engine_says(
    client: EngineClient, launch: Launch, answer: bytes
) -> None:
    async with raw_serving(saying(answer), launch):
        with pytest.raises(EngineError, match="no whole one") as raised:
            await client.sessions()

    assert len(str(raised.value)) < 100


async def silent(peer: RawPeer, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await peer.hear(reader)
    async with asyncio.timeout(30):
        await peer.release.wait()


async def test_a_client_can_be_closed_at_the_very_moment_a_call_runs_out_of_time(launch: Launch) -> None:
    client = EngineClient(launch, KEY, 0.0, EngineListeners())

    async def ask() -> None:
        with pytest.raises(EngineError):
            await client.sessions()

    async with raw_serving(RawPeer(silent), launch), asyncio.TaskGroup() as tasks:
        tasks.create_task(ask())
        for _ in range(2):  # it asks, the deadline is over, and the call is not told yet
            await asyncio.sleep(0)

        await client.close()


async def test_a_client_that_is_closed_asks_nothing_any_more(launch: Launch) -> None:
    client = EngineClient(launch, KEY, 10.0, EngineListeners())
    async with raw_serving(saying(OK + b"Content-Length: 2\r\n\r\n[]"), launch) as peer:
        assert await client.sessions() == []
        await client.close()
        with pytest.raises(EngineError, match="we closed"):
            await client.sessions()

    assert len(peer.heard) == 1


async def test_what_an_engine_calls_itself_cannot_add_to_a_request(client: EngineClient, launch: Launch) -> None:
    async with raw_serving(saying(OK + b"Content-Length: 2\r\n\r\n{}"), launch) as peer:
        with pytest.raises(EngineError):
            await client.session("x HTTP/1.1\r\nX-Other: y")

    assert b"X-Other: y" not in peer.heard[0]
