"""One attempt at an engine: made once, and what came of it told exactly; every peer here has bad manners."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.messaging.messages import Kind
from openwa_manager.domain.messaging.outcomes import (
    Answered,
    MediaFile,
    MediaUnreadable,
    NoAnswer,
    NotReached,
    NotWhole,
    Outgoing,
    SendAnswer,
    Sent,
    judge,
)
from openwa_manager.domain.session.session import Launch
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from tests.engines.peer import Peer, RawPeer, raw_serving, serving
from tests.engines.rig import free_port, knowing, new_context, new_launch, new_session

ID = "659b1334-0c2a-4d5e-8f00-1a2b3c4d5e6f"
ROOT = f"/api/sessions/{ID}"
TEXT_CALL = f"POST {ROOT}/messages/send-text"
SESSION = knowing(new_session(), ID)
CHAT = "85212345678@c.us"
TEXT = Outgoing(chat_id=CHAT, kind=Kind.TEXT, text="Grüße 👋")
YES: Json = {"messageId": "3EB0887AEDA653514F62BD", "timestamp": 1795332124}


def openwa(send_timeout_s: float = 10.0) -> OpenwaEngine:
    setup = OpenwaSetup(
        program=FixedProgram(("true",)),
        engine_context=new_context(environ={}),
        answer_timeout_s=10.0,
        send_timeout_s=send_timeout_s,
    )
    return OpenwaEngine(setup, SystemClock(), EngineFiles())


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    return new_launch(free_port(), socket=tmp_path / "s")


@pytest.fixture
async def engine() -> AsyncIterator[OpenwaEngine]:
    async with openwa() as engine:
        yield engine


def media(path: Path, content: bytes, kind: Kind = Kind.IMAGE, text: str = "") -> Outgoing:
    path.write_bytes(content)
    file = MediaFile(path=path, mimetype="image/png", filename="a.png", size_bytes=len(content))
    return Outgoing(chat_id=CHAT, kind=kind, text=text, media=file)


async def sent_to(engine: OpenwaEngine, launch: Launch, peer: RawPeer, outgoing: Outgoing = TEXT) -> SendAnswer:
    async with raw_serving(peer, launch):
        return await engine.send(SESSION, launch, outgoing, None)


async def say_yes(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.hear(reader)
    body = json.dumps(YES).encode()
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.mark.parametrize("key", ["owm-msg_1", None])
async def test_a_text_is_sent_under_its_key(engine: OpenwaEngine, launch: Launch, key: str | None) -> None:
    async with raw_serving(RawPeer(say_yes), launch) as peer:
        answer = await engine.send(SESSION, launch, TEXT, key)

    assert answer == Answered(http_status=201, message_id="3EB0887AEDA653514F62BD")
    (head, body), *_ = (heard.split(b"\r\n\r\n") for heard in peer.heard)
    assert json.loads(body) == {"chatId": CHAT, "text": "Grüße 👋"}
    assert (b"Idempotency-Key: owm-msg_1" in head) == (key is not None)


@pytest.mark.parametrize("size", [1, 2, 3, (3 << 18) - 1, 3 << 18, (3 << 18) + 1, (6 << 18) + 2])
async def test_media_leaves_as_base64_of_a_known_length(
    engine: OpenwaEngine, launch: Launch, tmp_path: Path, size: int
) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    outgoing = media(tmp_path / "m", content[:size], text="Hi")

    answer = await sent_to(engine, launch, peer := RawPeer(say_yes), outgoing)

    assert judge(answer) == Sent(message_id="3EB0887AEDA653514F62BD")
    head, body = peer.heard[0].split(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    said = json.loads(body)
    assert base64.b64decode(said.pop("base64"), validate=True) == content[:size]
    assert said == {"chatId": CHAT, "caption": "Hi", "mimetype": "image/png", "filename": "a.png"}


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VIDEO, Kind.AUDIO, Kind.DOCUMENT])
async def test_each_kind_has_its_route(engine: OpenwaEngine, launch: Launch, tmp_path: Path, kind: Kind) -> None:
    outgoing = media(tmp_path / "m", b"abc", kind)
    async with serving(Peer({f"POST {ROOT}/messages/send-{kind}": [(201, YES)]}), launch) as peer:
        await engine.send(SESSION, launch, outgoing, None)

    assert [call for call, _ in peer.calls] == [f"POST {ROOT}/messages/send-{kind}"]


@pytest.mark.parametrize("has_socket", [True, False])
async def test_where_nobody_listens_nothing_was_asked(engine: OpenwaEngine, launch: Launch, has_socket: bool) -> None:
    nowhere = launch if has_socket else new_launch(free_port())

    assert isinstance(await engine.send(SESSION, nowhere, TEXT, None), NotReached)


async def test_a_stranger_is_told_nothing(engine: OpenwaEngine, launch: Launch) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        peer.heard.append(await reader.read())
        peer.is_reached.set()

    stranger = replace(launch, identity=None)
    async with raw_serving(RawPeer(treat), stranger) as peer:
        answer = await engine.send(SESSION, stranger, TEXT, None)
        await peer.is_reached.wait()

    assert isinstance(answer, NotReached)
    assert peer.heard == [b""]


async def test_an_engine_that_holds_no_session_was_not_asked(engine: OpenwaEngine, launch: Launch) -> None:
    async with serving(Peer({"GET /api/sessions": [(200, [])]}), launch) as peer:
        answer = await engine.send(new_session(), launch, TEXT, None)

    assert isinstance(answer, NotReached)
    assert [call for call, _ in peer.calls] == ["GET /api/sessions"]


async def test_an_engine_that_hangs_up_was_asked_once_and_may_have_sent(engine: OpenwaEngine, launch: Launch) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await peer.hear(reader)

    answer = await sent_to(engine, launch, peer := RawPeer(treat))

    assert isinstance(answer, NoAnswer)
    assert len(peer.heard) == 1


async def test_an_engine_that_is_silent_may_have_sent(launch: Launch) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await peer.hear(reader)
        async with asyncio.timeout(30):
            await peer.release.wait()

    async with openwa(send_timeout_s=0.2) as engine:
        answer = await sent_to(engine, launch, peer := RawPeer(treat))

    assert answer == NoAnswer(detail="the engine did not answer: no answer within 0.2 s")
    assert len(peer.heard) == 1


async def test_a_line_that_we_close_may_have_sent(engine: OpenwaEngine, launch: Launch) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await peer.hear(reader)
        async with asyncio.timeout(30):
            await peer.release.wait()

    async with raw_serving(RawPeer(treat), launch) as peer, asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(engine.send(SESSION, launch, TEXT, None))
        await peer.is_reached.wait()
        await engine.release(SESSION, launch)

    assert isinstance(sending.result(), NoAnswer)


@pytest.mark.parametrize("is_timed_out", [False, True])
async def test_a_request_that_did_not_leave_whole_was_not_acted_upon(
    launch: Launch, tmp_path: Path, is_timed_out: bool
) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        peer.heard.append(await reader.read(1000))
        if is_timed_out:
            async with asyncio.timeout(30):
                await peer.release.wait()

    async with openwa(send_timeout_s=0.5 if is_timed_out else 10.0) as engine:
        answer = await sent_to(engine, launch, peer := RawPeer(treat), media(tmp_path / "m", b"x" * (4 << 20)))

    assert isinstance(answer, NotWhole)
    assert len(peer.heard) == 1


@pytest.mark.parametrize("vice", ["missing", "grown", "shrunk"])
async def test_a_file_that_is_not_as_it_should_be_never_leaves_whole(
    engine: OpenwaEngine, launch: Launch, tmp_path: Path, vice: str
) -> None:
    outgoing = media(tmp_path / "m", b"x" * 1000)
    if vice == "missing":
        (tmp_path / "m").unlink()
    else:
        (tmp_path / "m").write_bytes(b"x" * (1001 if vice == "grown" else 999))

    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        peer.heard.append(await reader.read())

    answer = await sent_to(engine, launch, peer := RawPeer(treat), outgoing)

    assert isinstance(answer, MediaUnreadable)
    assert all(b"xxxx" not in heard for heard in peer.heard)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{", Answered(http_status=201, is_whole=False)),
        (b"HTTP/1.1 409 Conflict\r\nContent-Length: 99\r\n\r\n{", Answered(http_status=409, is_whole=False)),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello", Answered(http_status=201, is_whole=False)),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", Answered(http_status=201)),
        (
            b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 2\r\n\r\n",
            Answered(http_status=503, retry_after_s=2.0, is_whole=False),
        ),
        (
            b"HTTP/1.1 503 B\r\nContent-Length: 2\r\nDate: %s:00 GMT\r\nRetry-After: %s:30 GMT\r\n\r\n{}"
            % (b"Sun, 22 Nov 2026 07:22", b"Sun, 22 Nov 2026 07:22"),
            Answered(http_status=503, retry_after_s=30.0),
        ),
        (
            b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nRetry-After: soon\r\n\r\n{}",
            Answered(http_status=503),
        ),
        (
            b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\nRetry-After-short: 1\r\nRetry-After-long: 3000\r\n\r\n{}",
            Answered(http_status=429, retry_after_s=3000.0),
        ),
        (
            b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
            Answered(http_status=201, is_whole=False),
        ),
        (
            b"HTTP/1.1 400 No\r\nContent-Length: 70000\r\n\r\n" + b" " * 70000,
            Answered(http_status=400, is_whole=False),
        ),
        (b"HTTP/1.1 302 Elsewhere\r\nLocation: /x\r\nContent-Length: 2\r\n\r\n{}", Answered(http_status=302)),
        (b"HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\n{}", Answered(http_status=999, is_whole=False)),
    ],
)
async def test_whatever_an_engine_answers_is_told_as_it_is(
    engine: OpenwaEngine, launch: Launch, raw: bytes, answer: Answered
) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.hear(reader)
        writer.write(raw)

    given = await sent_to(engine, launch, peer := RawPeer(treat))

    assert given == answer
    assert len(peer.heard) == 1


async def test_an_answer_that_stops_half_way_keeps_its_status(launch: Launch) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.hear(reader)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{")
        async with asyncio.timeout(30):
            await peer.release.wait()

    async with openwa(send_timeout_s=0.3) as engine:
        answer = await sent_to(engine, launch, RawPeer(treat))

    assert judge(answer) == Sent(message_id=None)


async def test_something_that_is_not_http_is_no_answer(engine: OpenwaEngine, launch: Launch) -> None:
    async def treat(peer: RawPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.hear(reader)
        writer.write(b"220 smtp ready\r\n\r\n")

    assert isinstance(await sent_to(engine, launch, RawPeer(treat)), NoAnswer)


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (
            429,
            {"message": "Daily allowance", "code": "SEND_PACING_LIMITED", "retryAfterSeconds": 57608},
            Answered(http_status=429, code="SEND_PACING_LIMITED", text="Daily allowance", retry_after_s=57608.0),
        ),
        (400, {"message": ["a", 1, "b"]}, Answered(http_status=400, text="a; b")),
        (400, {"message": {"a": 1}, "code": 7, "retryAfterSeconds": True}, Answered(http_status=400)),
        (201, {"messageId": ""}, Answered(http_status=201)),
        (201, {"messageId": 7}, Answered(http_status=201)),
        (201, {"messageId": "x" * 129}, Answered(http_status=201)),
        (201, {"messageId": "é"}, Answered(http_status=201)),
        (201, {"messageId": "a b"}, Answered(http_status=201)),
        (201, [], Answered(http_status=201, is_whole=False)),
        (400, {"message": "x" * 5000}, Answered(http_status=400, text="x" * 1000)),
    ],
)
async def test_only_what_is_usable_is_taken_from_an_answer(
    engine: OpenwaEngine, launch: Launch, status: int, body: Json, answer: Answered
) -> None:
    async with serving(Peer({TEXT_CALL: [(status, body)]}), launch):
        assert await engine.send(SESSION, launch, TEXT, None) == answer
