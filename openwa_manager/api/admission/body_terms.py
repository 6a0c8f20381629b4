"""Answers what a caller wants to know before it sends its body, once it is known that it may."""

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from openwa_manager.api.errors import ExpectationError, UnsupportedMediaTypeError

_PLAIN = frozenset({"", "identity"})


async def defer_expectation(request: web.Request) -> None:
    """Do nothing about an `Expect` header yet: routes are found, and this is called, before anything is checked."""
    del request


@web.middleware
async def agree_on_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell a caller that waits for it to send its body; the last thing before the handler.

    Raises:
        ExpectationError: it expects what we do not know.
        UnsupportedMediaTypeError: the body is compressed; how large it would be, nobody could tell.
    """
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.strip().lower() not in _PLAIN:
        raise UnsupportedMediaTypeError("the body must not be compressed: no Content-Encoding is taken")
    expected = request.headers.get("Expect")
    if expected is not None and request.version >= HttpVersion11:  # before 1.1 it has no meaning (RFC 9110, 10.1.1)
        if expected.strip().lower() != "100-continue":
            raise ExpectationError("only Expect: 100-continue is known here")
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    return await handler(request)
