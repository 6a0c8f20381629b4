"""Connections that tell an answer's status even where the rest of the answer is malformed."""

import re
from asyncio import AbstractEventLoop
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

#: The first line of an answer, as far as it matters.
_STATUS_LINE = re.compile(rb"HTTP/[0-9]\.[0-9] +([1-9][0-9][0-9])(?![0-9])", re.IGNORECASE)
_BEGINNING_BYTES = 32


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
    """Connects so that a malformed answer is a `ClientResponseError` with the status of its first line, 0 for none."""

    def __init__(self, resolver: AbstractResolver, *, force_close: bool) -> None:
        # The dispatcher bounds how many run in parallel, so the pool need not.
        super().__init__(limit=0, resolver=resolver, force_close=force_close)
        self._factory = partial(_new_reader, self._loop)


def _new_reader(loop: AbstractEventLoop) -> ResponseHandler:
    return _AnswerReader(loop)
