"""Connections that tell an answer's status even where the rest of the answer is malformed."""

import asyncio
import re
from asyncio import AbstractEventLoop
from contextlib import suppress
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

#: The first line of an answer, as far as it matters.
_STATUS_LINE = re.compile(rb"HTTP/[0-9]\.[0-9] +([1-9][0-9][0-9])(?![0-9])", re.IGNORECASE)
_BEGINNING_BYTES = 32
#: A longer or slower body costs the connection, nothing else.
_BODY_MAX_BYTES = 16_384
_BODY_MAX_S = 1.0


class _AnswerReader(ResponseHandler):
    """Reads answers; one that cannot be read fails with the status its first line names, 0 where that names none.

    aiohttp takes the whole answer or nothing. But what a receiver decided stands in the first line, and is the same
    whatever its framework adds: a body behind a 204, a length that is too short, a header with a space in its name.
    """

    _begun = b""

    def set_response_params(self, **params: object) -> None:
        """Expect a new answer; called before each request."""
        self._begun = b""
        super().set_response_params(**params)  # type: ignore[arg-type]

    def expect_another(self) -> None:
        """Expect one more answer, which is read as the one before: what reads it is not made anew."""
        self._begun = b""

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if len(self._begun) < _BEGINNING_BYTES:
            self._begun += data[:_BEGINNING_BYTES]
        super().data_received(data)
        error = self.exception()
        if isinstance(error, HttpProcessingError):  # nobody has seen it yet
            line = _STATUS_LINE.match(self._begun)
            error.code = 0 if line is None else int(line[1])


class AnswerConnector(aiohttp.TCPConnector):
    """Connects so that a malformed answer is an `HttpProcessingError` with the status of its first line, 0 for none.

    A session makes a `ClientResponseError` of that.
    """

    def __init__(self, resolver: AbstractResolver, *, force_close: bool) -> None:
        # The dispatcher bounds how many run in parallel, so the pool need not.
        super().__init__(limit=0, resolver=resolver, force_close=force_close)
        self._factory = partial(_new_reader, self._loop)

    async def reuse(self, key: ConnectionKey) -> Connection | None:
        """Return a connection that an earlier request has left open, ready for an answer; None when there is none.

        Whoever has it closes or releases it.
        """
        connection = await self._get(key, [])
        if connection is not None and isinstance(connection.protocol, _AnswerReader):
            connection.protocol.expect_another()
        return connection


async def read_away(body: aiohttp.StreamReader) -> None:
    """Read a short body to its end, so that the connection can serve again; whatever it does, the answer stands."""
    if body.at_eof():  # there is none
        return
    with suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with asyncio.timeout(_BODY_MAX_S):
            left_bytes = _BODY_MAX_BYTES
            while left_bytes > 0 and (chunk := await body.readany()):
                left_bytes -= len(chunk)


def _new_reader(loop: AbstractEventLoop) -> ResponseHandler:
    return _AnswerReader(loop)
