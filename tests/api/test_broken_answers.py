"""Answers that fail after they have begun: the connection is cut, and no second answer follows inside the first."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer
from structlog.testing import capture_logs

from openwa_manager.api.middleware import prepare_answer
from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.errors import EngineError
from openwa_manager.store.delivery.outbox import append
from tests.api.guarding import answering
from tests.api.world import World

#: What ends a body in chunks; without it the answer is not whole.
LAST_CHUNK = b"0\r\n\r\n"


@asynccontextmanager
async def asked(port: int, path: str, headers: str = "") -> AsyncIterator[asyncio.StreamReader]:
    """Ask, and read the answer byte by byte as it comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        yield reader
    finally:
        writer.close()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes until the connection ends, which it must."""
    read = b""
    try:
        async with asyncio.timeout(20):
            while part := await reader.read(65_536):
                read += part
    except ConnectionResetError:
        pass
    return read


def assert_cut(answer: bytes) -> None:
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert not answer.endswith(LAST_CHUNK)


async def test_of_a_log_that_becomes_something_else_followers_hear_no_more(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    path = world.sessions.log_path("a").path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"one\n")

    async with asked(world.port, "/v1/sessions/a/logs?follow=1", f"X-API-Key: {world.key}\r\n") as reader:
        begun = await reader.readuntil(b"\r\n\r\n")  # headers say 'none'
        await reader.readuntil(b"one\n\r\n")
        path.unlink()
        path.symlink_to("/etc/passwd")
        heard = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                heard = await reader.read(1)

    assert begun.startswith(b"HTTP/1.1 200 ")
    assert heard in {b"", b"0"}  # nothing, or the end


async def test_events_that_cannot_be_read_cut_their_listeners(world: World) -> None:
    headers = f"X-API-Key: {world.key}\r\nAccept: text/event-stream\r\n"

    async with asked(world.port, "/v1/events", headers) as reader:
        begun = await reader.readuntil(b"retry: 1000")
        await world.database.write(partial(append, events=[Event(type="x", occurred_at=1.0)]))
        await world.database.write(lambda connection: connection.execute("ALTER TABLE event RENAME TO gone").rowcount)
        world.channels.broadcaster.wake()
        rest = await rest_of(reader)

    assert_cut(begun + rest)


@pytest.mark.parametrize("data", ["no JSON", "[]", '{"a":' * 974 + "1" + "}" * 974])
async def test_an_event_that_nobody_can_read_hides_no_other(world: World, data: str) -> None:
    await world.database.write(partial(append, events=[Event(type="x", occurred_at=1.0)]))
    spoil = partial(
        lambda connection, data: connection.execute("UPDATE event SET data = ?", (data,)).rowcount, data=data
    )
    await world.database.write(spoil)
    await world.database.write(partial(append, events=[Event(type="y", occurred_at=2.0, data={"b": 2})]))

    reply = await world.call("GET", "/v1/events")

    events = cast("list[dict[str, Json]]", reply.json["events"])
    assert [event["type"] for event in events] == ["x", "y"]
    assert "unreadable" in events[0]
    assert events[1]["b"] == 2


@pytest.mark.parametrize("vice", ["half-large", "half-chunked"])
async def test_an_engines_answer_that_breaks_off_cuts_the_caller(peers: World, vice: str) -> None:
    async with asked(peers.port, f"/api/sessions/acme/vice/{vice}", f"X-API-Key: {peers.key}\r\n") as reader:
        answer = await rest_of(reader)

    assert_cut(answer)


@pytest.mark.parametrize("path", ["/v1/stream", "/api/stream"])
@pytest.mark.parametrize(
    ("error", "level"),
    [
        (lambda: KeyError("a bug"), "error"),
        (lambda: TimeoutError("a bug"), "error"),
        (lambda: web.HTTPNotFound(), "error"),  # noqa: PLW0108 (made when it is raised: it is an answer, too)
        (lambda: EngineError("it is gone"), "warning"),
        (lambda: ConnectionResetError("the caller is gone"), None),
    ],
    ids=["bug", "timeout", "http", "expected", "hung-up"],
)
async def test_whatever_fails_in_a_begun_answer_cuts_it(
    aiohttp_server: AiohttpServer, path: str, error: Callable[[], Exception], level: str | None
) -> None:
    async def fail_late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        raise error()

    app = web.Application(middlewares=[answering])
    app.on_response_prepare.append(prepare_answer)
    app.router.add_get(path, fail_late)
    server = await aiohttp_server(app)

    with capture_logs() as log:
        async with asked(server.port or 0, path) as reader:
            answer = await rest_of(reader)

    assert_cut(answer)
    assert [line["log_level"] for line in log if line["event"] == "answer_broke_off"] == ([level] if level else [])
