import asyncio
import dataclasses
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate

import pytest
from standardwebhooks.webhooks import Webhook

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Endpoint, Gone, Rejected, Retry
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender
from openwa_manager.webhooks.signing import new_secret
from tests.fakes.receiver import (
    Receiver,
    answer_without_end,
    ask_to_wait,
    hang,
    hang_up,
    promise_and_hang_up,
    receiving,
    redirect,
)

NOW = float(int(time.clock_gettime(time.CLOCK_REALTIME)))
BODY = b'{"id":"evt_1"}'


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with Sender(AddressGuard(allow_private=True), connect_timeout_s=0.5, total_timeout_s=0.5) as one:
        yield one


@pytest.fixture
async def patient_sender() -> AsyncIterator[Sender]:
    async with Sender(AddressGuard(allow_private=True)) as one:
        yield one


def an_endpoint(url: str) -> Endpoint:
    return Endpoint(endpoint_id=EndpointId("ep_1"), url=url, secret=new_secret(), created_at=0.0, updated_at=0.0)


async def post(sender: Sender, receiver: Receiver) -> AttemptResult:
    return await sender.send(an_endpoint(receiver.url), "evt_1", BODY, NOW)


async def test_a_delivery_arrives_as_the_bytes_that_were_signed(sender: Sender, receiver: Receiver) -> None:
    endpoint = an_endpoint(receiver.url)
    present = time.clock_gettime(time.CLOCK_REALTIME)  # the library of receivers refuses what is five minutes old

    outcome = await sender.send(endpoint, "evt_1", BODY, present)

    (received,) = receiver.received
    assert outcome == Delivered(status=200)
    assert received.body == BODY
    assert received.headers["Content-Type"] == "application/json"
    Webhook(endpoint.secret).verify(received.body, received.headers)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Delivered(status=200)),
        (204, Delivered(status=204)),
        (410, Gone()),
        *((status, Rejected(status=status)) for status in (400, 413, 415, 422)),
        *(
            (status, Retry(reason=f"HTTP {status}", status=status))
            for status in (304, 401, 403, 404, 405, 408, 429, 500, 503)
        ),
    ],
)
async def test_each_answer_has_its_meaning(
    sender: Sender, receiver: Receiver, status: int, outcome: AttemptResult
) -> None:
    receiver.answers = [status]

    assert await post(sender, receiver) == outcome


async def test_a_redirect_is_not_followed(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [redirect(receiver.url)]

    assert await post(sender, receiver) == Retry(reason="HTTP 302", status=302)
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("asked", "expected_s"),
    [
        ("120", 120.0),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        ("soon", None),
        (formatdate(NOW - 60, usegmt=True), 0.0),
    ],
    ids=["seconds", "a date to come", "words", "a date gone by"],
)
async def test_a_pause_asked_for_is_understood(
    sender: Sender, receiver: Receiver, asked: str, expected_s: float | None
) -> None:
    receiver.answers = [ask_to_wait(429, asked)]

    assert await post(sender, receiver) == Retry(reason="HTTP 429", status=429, retry_after_s=expected_s)


async def test_a_receiver_that_hangs_is_a_timeout(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [hang]

    assert await post(sender, receiver) == Retry(reason="timeout")


async def test_a_receiver_that_is_down_is_a_retry(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    outcome = await sender.send(an_endpoint(url), "evt_1", BODY, NOW)

    assert isinstance(outcome, Retry)
    assert outcome.reason == "no connection to 127.0.0.1: Connection refused"


async def test_a_receiver_that_accepts_nothing_is_a_timeout(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"

        outcome = await sender.send(an_endpoint(url), "evt_1", BODY, NOW)

    assert outcome == Retry(reason="timeout")


async def test_a_pooled_connection_closed_by_the_receiver_is_replaced_at_once(
    sender: Sender, receiver: Receiver
) -> None:
    receiver.answers = [hang_up]

    assert await post(sender, receiver) == Delivered(status=200)


async def test_a_receiver_that_always_hangs_up_is_a_retry(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [hang_up, hang_up]

    outcome = await post(sender, receiver)

    assert isinstance(outcome, Retry)
    assert outcome.reason == "it closed the connection without an answer"


async def test_a_200_counts_even_if_its_body_never_comes(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [promise_and_hang_up]

    assert await post(sender, receiver) == Delivered(status=200)


async def test_a_200_with_a_body_without_end_is_not_read_to_its_end(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [answer_without_end]

    assert await post(sender, receiver) == Delivered(status=200)


async def test_connections_are_reused(sender: Sender, receiver: Receiver) -> None:
    for _ in range(3):
        await post(sender, receiver)

    assert len({received.peer for received in receiver.received}) == 1


async def test_a_private_address_is_not_knocked_on(receiver: Receiver) -> None:
    async with Sender(AddressGuard()) as guarded:
        literal = await guarded.send(an_endpoint(receiver.url), "evt_1", BODY, NOW)
        named = await guarded.send(an_endpoint(receiver.url.replace("127.0.0.1", "2130706433")), "evt_1", BODY, NOW)

    assert receiver.received == []
    assert isinstance(literal, Retry)
    assert "public address" in literal.reason
    assert isinstance(named, Retry)


async def test_the_url_of_the_settings_may_be_private(receiver: Receiver) -> None:
    async with Sender(AddressGuard(exempt=(receiver.url,))) as guarded:
        outcome = await guarded.send(an_endpoint(receiver.url), "evt_1", BODY, NOW)

    assert outcome == Delivered(status=200)


async def test_a_url_that_is_none_is_a_retry_not_a_crash(sender: Sender, receiver: Receiver) -> None:
    for url in ("http://[::1", "nonsense", receiver.url.replace("http:", "https:")):
        endpoint = dataclasses.replace(an_endpoint(receiver.url), url=url)
        assert isinstance(await sender.send(endpoint, "evt_1", BODY, NOW), Retry)


@asynccontextmanager
async def raw_receiver(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Endpoint]:
    """Serve posts on bare connections; `answer` writes what is answered to each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(BODY))
                await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield an_endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


@pytest.mark.parametrize(
    "headers",
    ["X-Debug: " + "x" * 9_000, "X-Debug: " + "x" * 900_000, "\r\n".join(f"X-{n}: y" for n in range(900))],
    ids=["9 kB", "900 kB", "900 lines"],
)
async def test_a_200_counts_however_long_its_head_is(sender: Sender, headers: str) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{headers}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async with raw_receiver(answer) as endpoint:
        outcome = await sender.send(endpoint, "evt_1", BODY, NOW)

    assert outcome == Delivered(status=200)


@pytest.mark.parametrize(
    "tail",
    [
        b"Content-Length: 2\r\n\r\nlonger than it says",
        b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"Content-Length: ten\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"X Debug: a space\r\n\r\n",
        b"no colon\r\n\r\n",
        b"X-Odd: a\x00b\r\n\r\n",
    ],
)
@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        (b"HTTP/1.1 200 OK", Delivered(status=200)),
        (b"http/1.1 204", Delivered(status=204)),
        (b"HTTP/1.0 410 Gone", Gone()),
        (b"HTTP/1.1 422 No", Rejected(status=422)),
        (b"HTTP/1.1 503 Busy", Retry(reason="HTTP 503", status=503)),
    ],
)
async def test_the_first_line_counts_whatever_is_wrong_behind_it(
    patient_sender: Sender, line: bytes, outcome: AttemptResult, tail: bytes
) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(line + b"\r\n" + tail)
        await writer.drain()

    async with raw_receiver(answer) as endpoint:
        first = await patient_sender.send(endpoint, "evt_1", BODY, NOW)
        second = await patient_sender.send(endpoint, "evt_1", BODY, NOW)

    assert (first, second) == (outcome, outcome)


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"200 OK\r\n\r\n", b"\x16\x03"]
)
async def test_what_is_no_answer_is_a_retry(patient_sender: Sender, raw: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        writer.close()

    async with raw_receiver(answer) as endpoint:
        outcome = await patient_sender.send(endpoint, "evt_1", BODY, NOW)

    assert outcome == Retry(reason="its answer is not HTTP")


async def test_a_failure_does_not_name_the_url_with_its_token(patient_sender: Sender) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?token=confidential"
        outcomes = [await patient_sender.send(an_endpoint(url), "evt_1", b"x" * size, NOW) for size in (14, 900_000)]
    outcomes.append(await patient_sender.send(an_endpoint("http://:/hook?token=confidential"), "evt_1", BODY, NOW))

    assert all(isinstance(each, Retry) and each.reason for each in outcomes)
    assert "confidential" not in repr(outcomes)


async def test_a_status_passed_on_is_that_of_the_first_line(patient_sender: Sender) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()

    async with raw_receiver(answer) as endpoint:
        assert await patient_sender.pass_on(endpoint.url, {}, BODY, 5.0) == 204


async def test_pooled_connections_that_were_reset_are_replaced_at_once(sender: Sender) -> None:
    waiting: list[asyncio.StreamWriter] = []
    together = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        waiting.append(writer)
        if len(waiting) == 3:
            together.set()
        await together.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_receiver(answer) as endpoint:
        async with asyncio.TaskGroup() as posts:
            for _ in range(3):
                posts.create_task(sender.send(endpoint, "evt_1", BODY, NOW))
        for writer in waiting:  # a worker that is recycled resets what it holds
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        outcomes = [await sender.send(endpoint, "evt_1", BODY, NOW) for _ in range(3)]

    assert outcomes == [Delivered(status=200)] * 3
