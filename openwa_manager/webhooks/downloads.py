"""Downloads files from addresses that strangers choose, within limits of size and time."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from openwa_manager.domain.errors import InvalidInputError, MediaUnavailableError
from openwa_manager.domain.messaging.media_problems import ANSWERED, TOO_LARGE, UNKNOWN_NAME
from openwa_manager.webhooks.address import AddressGuard, NotPublicError

FILE_MAX_BYTES = 16 * 1024 * 1024
#: How many bytes are handed over at once, at least; no more than twice as many are held.
_PIECE_BYTES = 256 * 1024
#: Where storage lies behind a redirect, one or two are usual (Google Drive one, a link shortener before it another).
_REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Refusals that may pass by themselves, besides all 5xx.
_PASSING = frozenset({408, 425, 429})
#: What a body may be encoded with: nothing. S3 keeps `aws-chunked` as a name of uploads that were sent so.
_PLAIN = frozenset({"", "identity", "aws-chunked"})
_HEAD_LINE_MAX_BYTES = 64 * 1024
_HEAD_LINES_MAX = 500

Write = Callable[[bytes], Awaitable[None]]


class Downloader:
    """Fetches files by GET, where `guard` lets it; an async context manager.

    Every address on the way is checked, those of redirects too, and the connection is made to what was checked. A body
    that is compressed is refused: what it becomes has no bound.
    """

    def __init__(self, guard: AddressGuard, *, max_bytes: int = FILE_MAX_BYTES, within_s: float = 20.0) -> None:
        self._guard = guard
        self._max_bytes = max_bytes
        self._within_s = within_s

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=self._guard, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "openwa-manager", "Accept": "*/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
            max_line_size=_HEAD_LINE_MAX_BYTES,
            max_field_size=_HEAD_LINE_MAX_BYTES,
            max_headers=_HEAD_LINES_MAX,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def check_url(self, url: str) -> None:
        """Accept an address that may be fetched from; a name is checked again whenever it is resolved.

        Raises:
            MediaUnavailableError: it is none.
        """
        self._target(url)

    async def download(self, url: str, write: Write) -> None:
        """Hand the file to `write`, piece by piece; what `write` raises is passed on.

        Raises:
            MediaUnavailableError: it cannot be had, or not all of it; `write` may have been given a part.
        """
        try:
            async with asyncio.timeout(self._within_s) as deadline, self._opened(url) as response:
                left_bytes = self._max_bytes
                while piece := await _next_piece(response.content):
                    left_bytes -= len(piece)
                    if left_bytes < 0:
                        raise self._too_large()
                    await write(piece)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise MediaUnavailableError(
                f"the download was not complete after {self._within_s:g} s", is_lasting=False
            ) from None

    @asynccontextmanager
    async def _opened(self, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer that holds the file, wherever redirects lead."""
        for _ in range(_REDIRECTS_MAX + 1):
            target = self._target(url)
            with _as_unavailable():
                response = await self._session.get(target, allow_redirects=False)
            try:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or not location:
                    self._require_file(response)
                    yield response
                    return
                url = _joined(str(target), location)
            finally:
                response.close()
        raise MediaUnavailableError(f"its address leads on more than {_REDIRECTS_MAX} times")

    def _require_file(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status != 200:
            is_lasting = status < 500 and status not in _PASSING
            raise MediaUnavailableError(f"{ANSWERED} {status}", is_lasting=is_lasting)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _PLAIN:
            raise MediaUnavailableError("its server sent it compressed, though it was asked not to")
        if response.content_length is not None and response.content_length > self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> MediaUnavailableError:
        return MediaUnavailableError(f"{TOO_LARGE} {self._max_bytes // (1024 * 1024)} MiB")

    def _target(self, text: str) -> URL:
        """Return what to connect to, path and query as they are written: a signature may cover them."""
        address = text.partition("#")[0]
        try:
            parts = urlsplit(address)
            if "@" in parts.netloc:
                raise MediaUnavailableError("its address must not carry credentials")
            self._guard.check_url(address)
            url = URL(address)
            if not address.isascii():
                return url
            return URL.build(
                scheme=url.scheme,
                authority=url.raw_authority,
                path=parts.path or "/",
                query_string=parts.query,
                encoded=True,
            )
        except InvalidInputError as error:
            raise MediaUnavailableError(f"its address {_without_field(error)}") from error
        except ValueError as error:
            raise MediaUnavailableError("its address is no URL") from error


async def _next_piece(body: aiohttp.StreamReader) -> bytes:
    """Return what comes next; empty at the end."""
    piece = bytearray()
    while len(piece) < _PIECE_BYTES:
        with _as_unavailable():
            came = await body.readany()
        if not came:
            break
        piece += came
    return bytes(piece)


def _joined(base: str, location: str) -> str:
    """Return where a redirect leads; its `Location` may be relative."""
    try:
        return urljoin(base, location)
    except ValueError as error:
        raise MediaUnavailableError("its server leads on to what is no URL") from error


def _without_field(error: InvalidInputError) -> str:
    text = str(error).removeprefix(f"{error.field}: ")
    return text if text.startswith(("is ", "must ")) else f"may not be used: {text}"


@contextmanager
def _as_unavailable() -> Iterator[None]:
    """Tell what a connection died of in plain words, which hold no address: it may carry a signature."""
    try:
        yield
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> MediaUnavailableError:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, NotPublicError):
        return MediaUnavailableError(cause.strerror or "")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return MediaUnavailableError("its server has no certificate that can be trusted", is_lasting=False)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return MediaUnavailableError(UNKNOWN_NAME, is_lasting=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        return MediaUnavailableError("its server cannot be reached", is_lasting=False)
    if isinstance(error, aiohttp.ClientResponseError):
        return MediaUnavailableError("its server did not answer as HTTP servers do", is_lasting=False)
    return MediaUnavailableError("the connection to its server broke before the end", is_lasting=False)
