"""A post over a connection that is open already means to both sides what one over a new connection means."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Endpoint, Gone, Rejected, Retry
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender

NOW = 1_800_000_000.0
BODY = b'{"id":"evt_1"}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Bare:
    """A receiver that answers its posts with these bytes, one after the other; None: not at all."""

    answers: Sequence[bytes | None]
    url: str = ""
    heads: list[tuple[int, list[str]]] = field(default_factory=list)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            endpoint_id=EndpointId("ep_1"), url=self.url, secret="of the test", created_at=0.0, updated_at=0.0
        )

    @property
    def connections(self) -> list[int]:
        """Return over which connection each post came."""
        return [port for port, _ in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                (length,) = (int(line[16:]) for line in head if line.startswith("Content-Length: "))
                await reader.readexactly(length)
                self.heads.append((writer.get_extra_info("peername")[1], head))
                answer = self.answers[min(len(self.heads), len(self.answers)) - 1]
                writer.write(answer or b"")
                await writer.drain()
        writer.close()


@asynccontextmanager
async def bare(*answers: bytes | None) -> AsyncIterator[Bare]:
    receiver = Bare(answers)
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?of=ours"
        yield receiver


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with Sender(AddressGuard(allow_private=True)) as one:
        yield one


async def test_it_says_what_a_session_says(sender: Sender) -> None:
    async with bare(GOOD) as receiver:
        for _ in range(3):
            assert await sender.send(receiver.endpoint, "evt_1", BODY, NOW) == Delivered(status=200)

    (_, first), *others = receiver.heads
    assert len(set(receiver.connections)) == 1
    for _, head in others:
        assert head[0] == first[0] == "POST /hook?of=ours HTTP/1.1"
        assert sorted(head) == sorted(first)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Delivered(status=204)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Delivered(status=200)),
        (b"HTTP/1.1 102 Processing\r\n\r\n" + GOOD, Delivered(status=200)),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Gone()),
        (b"HTTP/1.1 422 No\r\nno colon\r\n\r\n", Rejected(status=422)),
        (
            b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            Retry(reason="HTTP 503", status=503, retry_after_s=7.0),
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Retry(reason="its answer is not HTTP")),
    ],
)
async def test_its_answer_means_the_same(sender: Sender, answer: bytes, outcome: AttemptResult) -> None:
    async with bare(GOOD, answer) as receiver:
        await sender.send(receiver.endpoint, "evt_1", BODY, NOW)

        assert await sender.send(receiver.endpoint, "evt_2", BODY, NOW) == outcome

    assert len(set(receiver.connections)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nlonger than it says",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 90_000,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["too long", "too slow", "close"],
)
async def test_a_connection_that_cannot_serve_again_is_not_kept(sender: Sender, answer: bytes) -> None:
    async with bare(GOOD, answer, GOOD) as receiver:
        outcomes = [await sender.send(receiver.endpoint, "evt_1", BODY, NOW) for _ in range(3)]

    assert outcomes == [Delivered(status=200)] * 3
    first, second, third = receiver.connections
    assert first == second != third


async def test_answers_of_every_framing_follow_each_other(sender: Sender) -> None:
    answers = [
        GOOD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n"
        + b"".join(b"X-%d: y\r\n" % number for number in range(900))
        + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX-Debug: " + b"x" * 9_000 + b"\r\n\r\n",
        GOOD,
    ]
    async with bare(*answers) as receiver:
        outcomes = [await sender.send(receiver.endpoint, "evt_1", BODY, NOW) for _ in answers]

    assert outcomes == [Delivered(status=int(each[9:12])) for each in answers]
    assert len(set(receiver.connections)) == 1


async def test_one_that_is_given_up_is_closed() -> None:
    async with Sender(AddressGuard(allow_private=True), total_timeout_s=0.2) as hasty, bare(GOOD, None) as receiver:
        await hasty.send(receiver.endpoint, "evt_1", BODY, NOW)
        assert await hasty.send(receiver.endpoint, "evt_2", BODY, NOW) == Retry(reason="timeout")
        receiver.answers = [GOOD]
        assert await hasty.send(receiver.endpoint, "evt_2", BODY, NOW) == Delivered(status=200)

    first, second, third = receiver.connections
    assert first == second != third


async def test_a_large_body_arrives_whole(sender: Sender) -> None:
    async with bare(GOOD) as receiver:
        await sender.send(receiver.endpoint, "evt_1", BODY, NOW)

        assert await sender.send(receiver.endpoint, "evt_2", b"x" * 900_000, NOW) == Delivered(status=200)


async def test_a_post_over_an_open_connection_makes_no_request_of_a_session(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bare(GOOD) as receiver:
        await sender.send(receiver.endpoint, "evt_1", BODY, NOW)
        monkeypatch.setattr("aiohttp.ClientSession.post", None)

        assert await sender.send(receiver.endpoint, "evt_2", BODY, NOW) == Delivered(status=200)
