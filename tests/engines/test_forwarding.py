import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict

from openwa_manager.domain.errors import EngineError, EngineTimeoutError
from openwa_manager.engines.http.forwarding import ForwardedRequest, Forwarder
from openwa_manager.processes.reading.listeners import EngineListeners
from tests.engines.rig import free_port, new_launch


def forwarded(method: str = "POST", body: bytes | None = b"{}") -> ForwardedRequest:
    return ForwardedRequest(method=method, target="/api/x", headers=CIMultiDict(), body=body)


def forwarder_to(port: int, silence_s: float) -> Forwarder:
    return Forwarder(new_launch(port), "key", silence_s, EngineListeners())


class Closing(asyncio.Protocol):
    """Answers the first request of each connection, and takes the second as the sign to hang up."""

    requests: list[str]

    def __init__(self, requests: list[str]) -> None:
        self.requests = requests
        self._count = 0
        self._transport = asyncio.Transport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._count += 1
        self.requests.append(data.decode().split(" ")[0])
        if self._count > 1:
            self._transport.close()
            return
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def closing(requests: list[str]) -> AsyncIterator[Forwarder]:
    loop, port = asyncio.get_running_loop(), free_port()
    server = await loop.create_server(lambda: Closing(requests), "127.0.0.1", port)
    forwarder = forwarder_to(port, 5.0)
    try:
        async with server:
            yield forwarder
            await forwarder.close()
    finally:
        await forwarder.close()


async def answered(forwarder: Forwarder, given: ForwardedRequest) -> bytes:
    async with await forwarder.forward(given) as answer:
        return await answer.read()


async def test_a_send_that_met_the_end_of_its_connection_is_never_sent_twice() -> None:
    requests: list[str] = []
    async with closing(requests) as forwarder:
        await answered(forwarder, forwarded())

        with pytest.raises(EngineTimeoutError, match="unknown"):
            await answered(forwarder, forwarded())

    assert requests == ["POST", "POST"]


async def test_a_read_that_met_the_end_of_its_connection_is_asked_again() -> None:
    requests: list[str] = []
    async with closing(requests) as forwarder:
        await answered(forwarder, forwarded())

        assert await answered(forwarder, forwarded("GET", None)) == b"ok"

    assert requests == ["POST", "GET", "GET"]


async def test_nobody_listening_is_an_error_and_no_doubt() -> None:
    forwarder = forwarder_to(free_port(), 5.0)

    with pytest.raises(EngineError, match="does not listen") as raised:
        await forwarder.forward(forwarded())

    assert not isinstance(raised.value, EngineTimeoutError)
    await forwarder.close()


async def test_silence_leaves_in_doubt_what_was_done() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        forwarder = forwarder_to(deaf.getsockname()[1], 0.05)

        with pytest.raises(EngineTimeoutError, match="did not answer within"):
            await forwarder.forward(forwarded())

        await forwarder.close()


async def test_hanging_up_ends_what_is_in_flight_and_what_comes_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        forwarder = forwarder_to(deaf.getsockname()[1], 30.0)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(_outcome(forwarder))
            loop = asyncio.get_running_loop()
            connection, _ = await loop.run_in_executor(None, deaf.accept)
            with connection:
                await loop.run_in_executor(None, connection.recv, 10)
                await forwarder.close()
                assert await waiting == "engine_timeout"

        assert await _outcome(forwarder) == "engine_timeout"


async def _outcome(forwarder: Forwarder) -> str:
    try:
        await forwarder.forward(forwarded())
    except EngineError as error:
        return error.code
    return "answered"
