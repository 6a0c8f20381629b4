"""Prepares a caller's request for an engine, and gives an engine's answer to the caller."""

import math
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Annotated

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import BaseModel, Field, ValidationError

from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.request_keys import REQUEST_ID
from openwa_manager.domain.errors import EngineError

#: Bodies up to this are handed on in one piece, larger ones as they come.
SMALL_BYTES = 64 * 1024
#: OpenWA's own limit (BODY_SIZE_LIMIT).
BODY_MAX_BYTES = 25 * 1024 * 1024

#: RFC 9110, 7.6.1: what concerns one connection only.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: What is ours to say to the engine, and what was said to us alone.
_NOT_FOR_ENGINES = _HOP_BY_HOP | {
    "authorization",
    "content-encoding",  # aiohttp has unpacked the body
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
}
_NOT_FOR_CALLERS = _HOP_BY_HOP | {"content-length", "date", "server", "x-request-id"}

_YEAR_S = 366 * 24 * 3600

Payload = bytes | AsyncIterable[bytes] | None


async def payload_of(request: web.Request, *, is_read: bool = False) -> Payload:
    """Return what the caller sends: whole if it is small or `is_read`, else as it comes.

    Raises:
        GatewayError: it is larger than OpenWA takes.
    """
    length = request.content_length
    if length is not None and length > BODY_MAX_BYTES:
        raise GatewayError(413, "request entity too large")
    if not request.body_exists:
        return None
    if is_read or (length is not None and length <= SMALL_BYTES):
        return await request.read()
    return request.content.iter_any()


def headers_for_engine(request: web.Request, body: Payload) -> CIMultiDict[str]:
    """Return the caller's headers as the engine may see them; `body` is what is handed on."""
    headers = _kept(request.headers, _NOT_FOR_ENGINES)
    headers["X-Request-ID"] = request[REQUEST_ID]
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    if request.remote:
        headers["X-Forwarded-For"] = request.remote
    is_streamed = body is not None and not isinstance(body, bytes)
    if is_streamed and request.content_length is not None and "Content-Encoding" not in request.headers:
        headers["Content-Length"] = str(request.content_length)
    return headers


async def relay(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Give the engine's answer to the caller as it is, in one piece if it is small, else as it comes.

    Raises:
        EngineError: it broke off.
    """
    length = answer.content_length
    if request.method != "HEAD" and length is not None and length <= SMALL_BYTES:
        return whole_answer(answer, await read(answer))
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=_kept(answer.headers, _NOT_FOR_CALLERS)
    )
    response.content_length = length
    await response.prepare(request)
    async with aclosing(_chunks_of(answer)) as chunks:
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response


def is_refusal(answer: aiohttp.ClientResponse) -> bool:
    """Tell whether this answer to a send proves that nothing was sent (docs/openwa.md, Sending)."""
    return 400 <= answer.status < 500 or (answer.status == 503 and "Retry-After" in answer.headers)


def whole_answer(answer: aiohttp.ClientResponse, body: bytes) -> web.Response:
    """Return the engine's answer with this body; a 429 says when to come again where HTTP clients look for it."""
    headers = _kept(answer.headers, _NOT_FOR_CALLERS)
    if answer.status == 429 and (seconds := _retry_after_s(body)) is not None:
        headers["Retry-After"] = str(seconds)
    return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)


class _Paced(BaseModel):
    """What OpenWA's pacing says in the body alone (docs/openwa.md, Sending)."""

    seconds: Annotated[float, Field(alias="retryAfterSeconds", gt=0, le=_YEAR_S, allow_inf_nan=False)]


def _retry_after_s(body: bytes) -> int | None:
    """Return when a refused send may come again; None when the body does not say so."""
    try:
        return math.ceil(_Paced.model_validate_json(body).seconds)
    except ValidationError:
        return None


async def read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the engine's answer read to its end.

    Raises:
        EngineError: it broke off.
    """
    try:
        return await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise EngineError(f"the engine's answer broke off: {error}") from error


async def _chunks_of(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError) as error:
        raise EngineError(f"the engine's answer broke off: {error}") from error


def _kept(headers: CIMultiDict[str] | CIMultiDictProxy[str], dropped: frozenset[str]) -> CIMultiDict[str]:
    named = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    return CIMultiDict(
        (name, value) for name, value in headers.items() if (low := name.lower()) not in dropped and low not in named
    )
