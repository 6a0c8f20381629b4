"""Asks an engine one thing through its socket, with a third of the work that a pooled client makes of it."""

import asyncio
import re
import socket
from typing import NamedTuple

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.http_exceptions import PayloadEncodingError
from yarl import URL

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import Launch
from openwa_manager.domain.texts import named
from openwa_manager.engines.http.connectors import base_url, connect_to_socket
from openwa_manager.engines.http.reading import is_final_status

_CHUNK_BYTES = 65_536
#: What the lines before a body may take: of one line (that is aiohttp's own limit), and of all.
_LINE_MAX_BYTES, _HEADERS_MAX = 8190, 128
#: A path that is the same on the wire: that need not be found out.
_PLAIN = re.compile(r"[A-Za-z0-9/_-]+")


class SocketAnswer(NamedTuple):
    """A status and the bytes that came with it."""

    status: int
    body: bytes


class SocketGets:
    """Makes GET requests to one launch through its socket; each has a connection, which ends with it.

    Who listens is proven to be the engine on every connection, before anything is said. aiohttp's parser reads the
    answers.
    """

    def __init__(self, launch: Launch, key: str, proof: ListenerProof) -> None:
        if not key.isprintable():
            raise ValueError("a key must not hold line breaks")
        self._launch = launch
        self._base_url = base_url(launch)
        self._headers = (
            f"Host: localhost\r\nX-API-Key: {key}\r\nAccept: */*\r\n"
            "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
        ).encode()
        self._proof = proof

    async def get(self, path: str, max_bytes: int) -> SocketAnswer:
        """Return what is answered; the caller bounds the time.

        Raises:
            StrangerError: somebody else listens there, and was told nothing.
            EngineError: the answer is none of HTTP, packed, or longer than `max_bytes`.
            OSError: the connection could not be made, or broke.
        """
        loop = asyncio.get_running_loop()
        target = path if _PLAIN.fullmatch(path) else URL(self._base_url + path).raw_path_qs
        with await connect_to_socket(self._launch, self._proof) as line:
            await _send(loop, line, b"GET " + target.encode() + b" HTTP/1.1\r\n" + self._headers)
            return await _read(loop, line, max_bytes)


# The loop's own `sock_sendall` and `sock_recv` take twice as long: here the loop is asked for what must be waited for.
async def _send(loop: asyncio.AbstractEventLoop, line: socket.socket, request: bytes) -> None:
    try:
        sent_bytes = line.send(request)
    except (BlockingIOError, InterruptedError):
        sent_bytes = 0
    if sent_bytes < len(request):
        await loop.sock_sendall(line, request[sent_bytes:])


async def _read(loop: asyncio.AbstractEventLoop, line: socket.socket, max_bytes: int) -> SocketAnswer:
    answer = _AnswerReader(loop, max_bytes)
    ended: asyncio.Future[Exception | None] = loop.create_future()

    def take() -> None:
        if ended.done():
            return
        try:
            answer.feed(line.recv(_CHUNK_BYTES))
        except (BlockingIOError, InterruptedError):
            return
        except Exception as error:  # noqa: BLE001 (raised where the answer is waited for)
            ended.set_result(error)
        else:
            if answer.is_whole:
                ended.set_result(None)

    loop.add_reader(fd := line.fileno(), take)  # by its number: a selector writes out what it does not know
    try:
        error = await ended
    finally:
        loop.remove_reader(fd)
    if error is not None:
        raise error
    return answer.read()


class _Unpausable(BaseProtocol):
    """What the parser asks to pause: a body in too many pieces; one with too many bytes is refused before."""

    def pause_reading(self) -> None:
        raise PayloadEncodingError("too many pieces")


class _AnswerReader:
    """Takes the bytes of one answer until it is whole."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left_bytes = max_bytes + _LINE_MAX_BYTES * _HEADERS_MAX
        self._message: RawResponseMessage | None = None
        self._stream: StreamReader | None = None
        self._parser = HttpResponseParser(
            _Unpausable(loop),
            loop,
            self._left_bytes,
            max_line_size=_LINE_MAX_BYTES,
            max_headers=_HEADERS_MAX,
            max_field_size=_LINE_MAX_BYTES,
            read_until_eof=True,
            auto_decompress=False,
        )

    @property
    def is_whole(self) -> bool:
        return self._stream is not None and self._stream.is_eof()

    def feed(self, received: bytes) -> None:
        """Take what was received; nothing means that the engine has closed its side."""
        self._left_bytes -= len(received)
        if self._left_bytes < 0:
            raise self._too_long()
        try:
            messages = self._parser.feed_data(received)[0] if received else []
            if not received:
                self._parser.feed_eof()
        except Exception as error:  # as aiohttp's own client does: strange bytes may make the parser raise anything
            raise _not_whole(error) from error
        for message, stream in messages:
            if message.code >= 200 and self._message is None:
                self._message, self._stream = message, stream
                self._check_head(message)
        if not received and not self.is_whole:
            raise EngineError("the engine closed the connection before its answer was whole")

    def _check_head(self, message: RawResponseMessage) -> None:
        if not is_final_status(message.code):
            raise EngineError(f"the engine answered with the status {message.code}, which HTTP does not know")
        if "Content-Encoding" in message.headers:
            raise EngineError("the engine answered with a packed body, which nobody asked for")

    def read(self) -> SocketAnswer:
        """Return the answer, once it is whole."""
        assert self._message is not None  # noqa: S101 (is_whole)
        assert self._stream is not None  # noqa: S101 (is_whole)
        failure = self._stream.exception()
        if failure is not None:
            raise _not_whole(failure) from failure
        body = self._stream.read_nowait()
        if len(body) > self._max_bytes:
            raise self._too_long()
        return SocketAnswer(self._message.code, body)

    def _too_long(self) -> EngineError:
        return EngineError(f"the engine's answer is longer than {self._max_bytes} bytes")


def _not_whole(error: BaseException) -> EngineError:
    """Return the parser's error as ours, without what it says: that repeats what the engine has sent."""
    return EngineError(f"the engine's answer is no whole one: {named(error)}")
