"""The listener: connections, keep-alive, and a close that waits for requests under way."""

import asyncio
from collections.abc import Awaitable, Callable

from openwa_manager.simulator.http.errors import NoAnswerError
from openwa_manager.simulator.http.wire import (
    BodyTooLargeError,
    MalformedRequestError,
    Request,
    RequestParser,
    Response,
    encode_response,
)

#: OpenWA's keepAliveTimeout: a client that pools connections longer must cope with their end.
KEEP_ALIVE_S = 5.0

#: Answers a request; NoAnswerError closes the connection instead.
Handler = Callable[[Request], Awaitable[Response]]


class Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._parser = RequestParser()
        self._transport: asyncio.Transport | None = None
        self._is_busy = False
        self._idle_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, on which the answers go."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server promises
        self._transport = transport
        self._server.connections.add(self)
        self._start_idle_timer()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a request that is complete is answered at once or queues behind the one under way."""
        self._parser.feed(data)
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; what it asked for goes on, as in Node, but nobody waits for it."""
        del exc
        self._transport = None
        self._stop_idle_timer()
        self._server.forget(self)

    def close_if_idle(self) -> None:
        """Close the connection if no request is under way on it."""
        if self._transport is not None and not self._is_busy:
            self._transport.close()

    def _start_idle_timer(self) -> None:
        """Close the connection once it has been idle for some time."""
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(self._server.keep_alive_s, self.close_if_idle)

    def _stop_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

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
                self._stop_idle_timer()
                self._server.tasks.create_task(self._answer(request))
            elif self._parser.wants_continue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _answer(self, request: Request) -> None:
        try:
            response = await self._server.handler(request)
        except NoAnswerError:
            if self._transport is not None:
                self._transport.close()
            return
        self._is_busy = False
        self._start_idle_timer()
        is_last = request.is_last or self._server.is_closing
        self._reply(response, last=is_last, is_head=request.method == "HEAD")
        self._advance()

    def _reply(self, response: Response, *, last: bool, is_head: bool = False) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(encode_response(response, is_last=last, is_head=is_head))
        if last:
            self._transport.close()


class Server:
    """Listens on loopback, or on a unix socket, and answers with `handler`."""

    def __init__(self, handler: Handler, tasks: asyncio.TaskGroup, keep_alive_s: float = KEEP_ALIVE_S) -> None:
        self.handler = handler
        self.tasks = tasks
        self.keep_alive_s = keep_alive_s
        self.connections: set[Connection] = set()
        self.is_closing = False
        self._all_gone = asyncio.Event()
        self._listener: asyncio.Server | None = None

    async def listen(self, port: int, socket: str | None = None) -> None:
        """Open the port of 127.0.0.1, or the unix socket in its place. Raises: OSError when somebody else has it."""
        loop = asyncio.get_running_loop()
        if socket is None:
            self._listener = await loop.create_server(lambda: Connection(self), "127.0.0.1", port)
        else:
            self._listener = await loop.create_unix_server(lambda: Connection(self), socket)

    async def close(self) -> None:
        """Stop listening, then wait until every client has its answer or closed its connection; has no time limit."""
        self.is_closing = True
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self.connections):
            connection.close_if_idle()
        if self.connections:
            await self._all_gone.wait()

    def forget(self, connection: Connection) -> None:
        """Note that a connection is closed."""
        self.connections.discard(connection)
        if self.is_closing and not self.connections:
            self._all_gone.set()
