"""Prepares a caller's request for an engine, and gives an engine's answer to the caller."""

import math
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Annotated, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import BaseModel, Field

from openwa_manager.api.bodies.uploads import SMALL_BYTES, Payload, Pieces, Upload
from openwa_manager.api.request_keys import CLIENT, REQUEST_ID
from openwa_manager.domain import foreign_json
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.values import dataclass

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
    "accept-encoding",  # what is packed cannot be translated
    "authorization",
    "content-encoding",  # none but `identity` is let in
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "origin",  # which pages may ask is settled here
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    # Rights go by method and path as they stand in the request: no header makes them others.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
}
#: What is ours to say: our own length, and what a browser is to do with an answer of this host.
_NOT_FOR_CALLERS = _HOP_BY_HOP | {
    "alt-svc",
    "clear-site-data",
    "content-length",
    "content-security-policy-report-only",
    "date",
    "link",
    "nel",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "sourcemap",
    "strict-transport-security",
    "x-request-id",
}
#: Which pages may read an answer is ours to say.
_CORS = "access-control-"

#: How clients spell UTF-8 that OpenWA does not know (415).
_ALSO_UTF_8 = frozenset({"utf8", "utf_8"})

#: Answers that are read whole: lists of webhooks, what a send gave.
READ_MAX_BYTES = 1024 * 1024
_YEAR_S = 366 * 24 * 3600


def headers_for_engine(request: web.Request, body: Payload) -> CIMultiDict[str]:
    """Return the caller's headers as the engine may see them; `body` is what is handed on."""
    headers = _kept(request.headers, _NOT_FOR_ENGINES)
    headers["X-Request-ID"] = request[REQUEST_ID]
    headers["X-Forwarded-Proto"] = request.scheme
    headers["X-Forwarded-Host"] = request.host
    if (request.charset or "").lower() in _ALSO_UTF_8:
        headers["Content-Type"] = f"{request.content_type}; charset=utf-8"
    if (client := request.get(CLIENT)) is not None:
        headers["X-Forwarded-For"] = str(client)
    if isinstance(body, Pieces):
        headers["Content-Length"] = str(body.byte_count)
    elif isinstance(body, Upload) and request.content_length is not None:
        headers["Content-Length"] = str(request.content_length)
    return headers


@dataclass(frozen=True, slots=True)
class Names:
    """The two names of one session as they stand in JSON: its engine's, a UUID, and the one callers know."""

    inner: bytes
    ours: bytes

    def translate(self, raw: bytes) -> bytes:
        """Return the bytes with our name wherever the engine's stands."""
        return raw.replace(self.inner, self.ours)

    async def translated(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Translate what comes in pieces; of a piece only that is held back which may be a name's beginning."""
        held = b""
        async for chunk in chunks:
            parts = (held + chunk).split(self.inner)
            held = self._begun_at_end(parts[-1])
            parts[-1] = parts[-1].removesuffix(held)
            if whole := self.ours.join(parts):
                yield whole
        if held:
            yield held

    def _begun_at_end(self, text: bytes) -> bytes:
        sizes = range(min(len(self.inner) - 1, len(text)), 0, -1)
        return next((self.inner[:size] for size in sizes if text.endswith(self.inner[:size])), b"")


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What a session's engine answers, to be released; in its JSON the session is called by our name.

    That name has another length than the engine's. So a small answer is translated whole and its length said anew; a
    larger one is translated as it comes, in chunks, and nothing is ever parsed for it.
    """

    response: aiohttp.ClientResponse
    names: Names

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.response.release()
        await self.response.wait_for_close()

    @property
    def status(self) -> int:
        """Return its HTTP status."""
        return self.response.status

    @property
    def is_refusal(self) -> bool:
        """Tell whether this answer to a send proves that nothing was sent (docs/openwa.md, Sending)."""
        return 400 <= self.status < 500 or (self.status == 503 and "Retry-After" in self.response.headers)

    @property
    def is_translated(self) -> bool:
        """Tell whether its body names the session: JSON does, media do not, and what is packed cannot be read."""
        kind = self.response.content_type
        return (
            kind == "application/json" or kind.endswith("+json")
        ) and "Content-Encoding" not in self.response.headers

    async def read(self) -> bytes:
        """Return its body.

        Raises:
            EngineError: it broke off, or is longer than any answer that is read whole.
        """
        body = bytearray()
        async with aclosing(_chunks_of(self.response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > READ_MAX_BYTES:
                    raise EngineError(f"the engine's answer is longer than {READ_MAX_BYTES} bytes")
        return self.names.translate(bytes(body)) if self.is_translated else bytes(body)

    def with_body(self, body: bytes) -> web.Response:
        """Return it with this body; a 429 says when to come again where HTTP clients look for it."""
        headers = _kept(self.response.headers, _NOT_FOR_CALLERS)
        if self.status == 429 and (seconds := _retry_after_s(body)) is not None:
            headers["Retry-After"] = str(seconds)
        return web.Response(status=self.status, reason=self.response.reason, headers=headers, body=body)

    async def relay(self, request: web.Request) -> web.StreamResponse:
        """Give it to the caller, in one piece if it is small, else as it comes.

        Raises:
            EngineError: it broke off.
        """
        length = self.response.content_length
        if request.method != "HEAD" and length is not None and length <= SMALL_BYTES:
            return self.with_body(await self.read())
        headers = _kept(self.response.headers, _NOT_FOR_CALLERS)
        streamed = web.StreamResponse(status=self.status, reason=self.response.reason, headers=headers)
        streamed.content_length = None if self.is_translated else length
        await streamed.prepare(request)
        async with aclosing(self._body()) as chunks:
            async for chunk in chunks:
                await streamed.write(chunk)
        await streamed.write_eof()
        return streamed

    def _body(self) -> AsyncGenerator[bytes]:
        chunks = _chunks_of(self.response)
        return self.names.translated(chunks) if self.is_translated else chunks


class _Paced(BaseModel, defer_build=True):
    """What OpenWA's pacing says in the body alone (docs/openwa.md, Sending)."""

    seconds: Annotated[float, Field(alias="retryAfterSeconds", gt=0, le=_YEAR_S, allow_inf_nan=False)]


def _retry_after_s(body: bytes) -> int | None:
    """Return when a refused send may come again; None when the body does not say so."""
    try:
        return math.ceil(_Paced.model_validate(foreign_json.parse(body)).seconds)
    except ValueError:
        return None


async def _chunks_of(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError) as error:
        raise EngineError(f"the engine's answer broke off: {error}") from error


def _kept(headers: CIMultiDict[str] | CIMultiDictProxy[str], dropped: frozenset[str]) -> CIMultiDict[str]:
    named = {word.strip().lower() for word in headers.get("Connection", "").split(",")}
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if (low := name.lower()) not in dropped and low not in named and not low.startswith(_CORS)
    )
