import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp

from openwa_manager.api.delivery.event_stream import EVENT_STREAM
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.session import LinkState, SessionId
from openwa_manager.store.delivery.outbox import append
from tests.api.world import Object, World
from tests.fakes.polling import until


@dataclass(frozen=True)
class Frame:
    """One event of a stream."""

    id: int
    event: str
    data: Object


@dataclass
class Listener:
    """A caller that reads a stream."""

    answer: aiohttp.ClientResponse
    comments: int = 0

    async def next(self) -> Frame:
        """Return the next event."""
        while True:
            fields = dict([line.split(": ", 1) async for line in self._lines()])
            if "data" in fields:
                return Frame(int(fields["id"]), fields["event"], json.loads(fields["data"]))

    async def _lines(self) -> AsyncIterator[str]:
        while (raw := await self.answer.content.readline()) != b"\n":
            assert raw, "the stream has ended"
            line = raw.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            else:
                yield line


@asynccontextmanager
async def listening(
    world: World, path: str = "/v1/events", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Listener]:
    given = {"X-API-Key": world.key, "Accept": EVENT_STREAM, **(headers or {})}
    async with world.client.get(path, headers=given) as answer:
        assert (answer.status, answer.content_type) == (200, EVENT_STREAM)
        yield Listener(answer)


async def tell(world: World, *types: str, session: str = "a") -> None:
    events = [Event(type=kind, occurred_at=1.0, session_id=SessionId(session)) for kind in types]
    world.channels.announce(await world.database.write(partial(append, events=events)))


async def test_a_stream_begins_now_and_goes_on(world: World) -> None:
    await tell(world, "before")

    async with listening(world) as listener:
        await tell(world, "first", "second")
        frames = [await listener.next(), await listener.next()]

    assert [(frame.id, frame.event) for frame in frames] == [(2, "first"), (3, "second")]
    page = (await world.call("GET", "/v1/events?after=1")).json["events"]
    assert [frame.data for frame in frames] == page


async def test_a_stream_may_begin_with_the_newest_of_what_was(world: World) -> None:
    await tell(world, "old", "older", "last")

    async with listening(world, "/v1/events?tail=1") as listener:
        await tell(world, "live")
        frames = [await listener.next(), await listener.next()]

    assert [frame.event for frame in frames] == ["last", "live"]


async def test_a_stream_resumes_where_the_last_one_broke_off(world: World) -> None:
    await tell(world, *(f"number {number}" for number in range(1, 451)))

    async with listening(world, "/v1/events?after=3", {"Last-Event-ID": "7"}) as listener:
        missed = [await listener.next() for _ in range(443)]
        await tell(world, "live")
        live = await listener.next()

    assert [frame.id for frame in missed] == list(range(8, 451))
    assert (live.id, live.event) == (451, "live")


async def test_nothing_is_missed_between_what_was_and_what_comes(world: World) -> None:
    async def keep_telling() -> None:
        for number in range(200):
            await tell(world, f"number {number}")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_telling())
        async with listening(world, "/v1/events?after=0") as listener:
            ids = [(await listener.next()).id for _ in range(200)]

    assert ids == list(range(1, 201))


async def test_a_stream_tells_only_what_was_asked_for(world: World) -> None:
    for session_id in ("a", "b"):
        await world.create(session_id=session_id, desired="stopped")

    async with listening(world, "/v1/sessions/a/events?after=0&type=x&type=session.created") as listener:
        await tell(world, "x", session="b")
        await tell(world, "y", "x")
        frames = [await listener.next(), await listener.next()]

    assert [(frame.event, frame.data["session_id"]) for frame in frames] == [("session.created", "a"), ("x", "a")]


async def test_a_silent_stream_shows_signs_of_life(world: World) -> None:
    async with listening(world) as listener:
        while listener.comments < 3:
            assert (await listener.answer.content.readline()) in (b":\n", b"\n", b"retry: 1000\n")
            listener.comments += 1


async def test_a_code_is_streamed_with_its_image_only_while_it_is_valid(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")

    async with listening(world, "/v1/events?after=0&type=session.qr") as listener:
        shown = await listener.next()
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.link is LinkState.CONNECTED, 20)
    async with listening(world, "/v1/events?after=0&type=session.qr") as listener:
        scanned = await listener.next()

    assert str(shown.data["qr_base64"]).startswith("iVBORw0KGgo")
    assert not {"qr_base64", "sha256"} & set(scanned.data)


async def test_a_type_cannot_break_out_of_its_line(world: World) -> None:
    async with listening(world) as listener:
        await tell(world, "presence.x\ndata: {}\r\nid: 99")
        frame = await listener.next()

    assert (frame.id, frame.event) == (1, "presence.x data: {} id: 99")


async def test_a_reader_that_does_not_read_is_cut_off_and_may_come_back(world: World) -> None:
    """It is told far more than all buffers between us hold."""
    big = Event(type="big", occurred_at=1.0, data={"text": "x" * 1_000_000})

    async with listening(world, "/v1/events?after=0") as listener:
        await world.database.write(partial(append, events=[big] * 40))
        world.channels.broadcaster.wake()
        seqs = []
        try:
            async for chunk in slowly(listener):
                seqs += [int(line[4:]) for line in chunk.split(b"\n") if line.startswith(b"id: ")]
                assert len(seqs) < 40, "nobody was cut off"
        except aiohttp.ClientError:
            pass

    assert len(seqs) < 40


def connections() -> int:
    """Return how many callers aiohttp serves; it has one task for each, and tells in no other way."""
    return sum("RequestHandler.start" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def slowly(listener: Listener) -> AsyncIterator[bytes]:
    """Yield what comes once the other side has hung up."""
    transport = listener.answer.connection.transport if listener.answer.connection else None
    assert transport is not None
    transport.pause_reading()
    connected_count = connections()
    await until(lambda: connections() < connected_count)
    transport.resume_reading()
    async for chunk in listener.answer.content.iter_any():
        yield chunk


async def test_streams_end_when_the_daemon_does(world: World) -> None:
    await world.create(session_id="a", desired="stopped")

    async with listening(world, "/v1/events?after=0") as listener:
        assert (await listener.next()).event == "session.created"
        await world.database.write(partial(append, events=[Event(type="manager.stopping", occurred_at=1.0)]))
        world.channels.broadcaster.close()
        last = await listener.next()
        rest = await listener.answer.content.read()

    assert last.event == "manager.stopping"
    assert rest == b""


async def test_head_tells_the_type_of_a_stream(world: World) -> None:
    reply = await world.call("HEAD", "/v1/events", headers={"Accept": EVENT_STREAM})

    assert (reply.status, reply.headers["Content-Type"], reply.raw) == (200, EVENT_STREAM, b"")
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_position_that_is_none_is_refused(world: World) -> None:
    headers = {"Accept": EVENT_STREAM, "Last-Event-ID": "evt_1"}
    reply = await world.call("GET", "/v1/events", headers=headers)
    unknown = await world.call("GET", "/v1/sessions/nobody/events", headers={"Accept": EVENT_STREAM})

    assert (reply.status, reply.json["field"]) == (422, "Last-Event-ID")
    assert unknown.status == 404
