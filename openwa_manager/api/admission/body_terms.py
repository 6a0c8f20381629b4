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
    """Pass the request on, whose caller is told to send its body if it waits for that.

    Raises:
        ExpectationError: it expects what we do not know.
        UnsupportedMediaTypeError: the body is compressed.
    """
    if awaits_consent(request):
        await tell_to_send(request)
    return await handler(request)


def awaits_consent(request: web.Request) -> bool:
    """Tell whether the caller waits for `tell_to_send` before it sends its body.

    Raises:
        ExpectationError: it expects what we do not know.
        UnsupportedMediaTypeError: the body is compressed; how large it would be, nobody could tell.
    """
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.strip().lower() not in _PLAIN:
        raise UnsupportedMediaTypeError("the body must not be compressed: no Content-Encoding is taken")
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:  # before 1.1 it has no meaning (RFC 9110, 10.1.1)
        return False
    if expected.strip().lower() != "100-continue":
        raise ExpectationError("only Expect: 100-continue is known here")
    return True


async def tell_to_send(request: web.Request) -> None:
    """Tell a caller that waits for it to send its body; the last thing before the handler."""
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun
