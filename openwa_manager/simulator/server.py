"""The listener: connections, keep-alive, and an end that waits for the answers still owed."""

import asyncio
from collections.abc import Awaitable, Callable

from openwa_manager.simulator.wire import (
    BodyTooLargeError,
    MalformedRequestError,
    Request,
    RequestParser,
    Response,
    encode_response,
)

Handler = Callable[[Request], Awaitable[Response]]


class Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._parser = RequestParser()
        self._transport: asyncio.Transport | None = None
        self._is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way back to the client."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server promises
        self._transport = transport
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request that is complete is answered at once or queues behind the one in work."""
        self._parser.feed(data)
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; what it asked for goes on, as in Node, but nobody waits for it."""
        del exc
        self._transport = None
        self._server.forget(self)

    def hang_up_if_idle(self) -> None:
        """Close a connection nobody is owed an answer on."""
        if self._transport is not None and not self._is_busy:
            self._transport.close()

    def _advance(self) -> None:
        if self._is_busy or self._transport is None:
            return
        try:
            request = self._parser.next_request()
        except BodyTooLargeError:
            self._reply(
                Response(status=413, body={"statusCode": 413, "message": "request entity too large"}), last=True
            )
        except MalformedRequestError:
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self._transport.close()
        else:
            if request is not None:
                self._is_busy = True
                self._server.tasks.create_task(self._answer(request))
            elif self._parser.wants_continue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _answer(self, request: Request) -> None:
        response = await self._server.handler(request)
        self._is_busy = False
        self._reply(response, last=request.is_last or self._server.is_closing)
        self._advance()

    def _reply(self, response: Response, *, last: bool) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(encode_response(response, is_last=last))
        if last:
            self._transport.close()


class Server:
    """Listens on loopback and answers with `handler`."""

    def __init__(self, handler: Handler, tasks: asyncio.TaskGroup) -> None:
        self.handler = handler
        self.tasks = tasks
        self.connections: set[Connection] = set()
        self.is_closing = False
        self._all_gone = asyncio.Event()
        self._listener: asyncio.Server | None = None

    async def listen(self, port: int) -> None:
        """Open the port. Raises: OSError when somebody else has it."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: Connection(self), "127.0.0.1", port)

    async def close(self) -> None:
        """Stop listening, then wait until every client got its answer or hung up; may take for ever."""
        self.is_closing = True
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self.connections):
            connection.hang_up_if_idle()
        if self.connections:
            await self._all_gone.wait()

    def forget(self, connection: Connection) -> None:
        """Note that a client is gone."""
        self.connections.discard(connection)
        if self.is_closing and not self.connections:
            self._all_gone.set()
