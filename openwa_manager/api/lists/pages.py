"""Answers with a list, which is sent one item after the other: a whole one is never in memory.

However large the items are, and however many callers ask at once, each costs one item and what its connection buffers.
"""

import asyncio
import json
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import field
from typing import Generic, TypeVar

from aiohttp import web

from openwa_manager.api.errors import SlowReaderError
from openwa_manager.api.lists.tags import tagged
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.values import dataclass

T = TypeVar("T")
R = TypeVar("R", bound=web.StreamResponse)

#: A page ends before the item that would make it longer, however many are wanted; the first is always on it.
PAGE_MAX_BYTES = 8 << 20
#: So much is gathered before it is sent; what is no longer than this is answered in one piece, with its length.
_CHUNK_BYTES = 65_536
#: How long a caller may leave unread what was sent to it.
_STALL_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[T]):
    """How a list becomes JSON: an object with the list as its member `name`, or with None the list alone.

    `head` are the members before it; `ending` those behind it, given the last item sent (None: none was) and whether
    others follow. `limit` items are sent at most (None: all), and `max_bytes` (None: for lists that nothing pages).
    `media_type` is what the answer says it is, `tag` its tag (None: it has none).
    """

    encode: Callable[[T], bytes]
    name: str | None
    ending: Callable[[T | None, bool], Mapping[str, Json]] = lambda _, __: {}
    head: Mapping[str, Json] = field(default_factory=dict)
    limit: int | None = None
    max_bytes: int | None = PAGE_MAX_BYTES
    media_type: str = "application/json"
    tag: str | None = None


async def answer_list(
    request: web.Request, items: AsyncIterable[T] | Iterable[T], listing: Listing[T], status: int = 200
) -> web.StreamResponse:
    """Return the answer once it is sent; give one item more than the limit, so that it is known whether others follow.

    Raises:
        SlowReaderError: the caller does not read what is sent.
    """
    page = _Page(listing)
    sending = _Sending(request, page.opening(), status, listing)
    if isinstance(items, AsyncIterable):
        async for item in items:
            if (part := page.add(item)) is None or (sending.add(part) and not await sending.send()):
                break
    else:
        for item in items:
            if (part := page.add(item)) is None or (sending.add(part) and not await sending.send()):
                break
    sending.add(page.closing())
    return await sending.end()


async def write_within(response: web.StreamResponse, chunk: bytes, stall_s: float = _STALL_S) -> None:
    """Send a part of an answer.

    Raises:
        SlowReaderError: the caller leaves unread what was sent before.
    """
    try:
        async with asyncio.timeout(stall_s):
            await response.write(chunk)
    except TimeoutError as error:
        raise SlowReaderError(f"what was sent was not read for {stall_s:g} s") from error


class _Page(Generic[T]):
    """Writes a list, and knows where it ends."""

    def __init__(self, listing: Listing[T]) -> None:
        self._listing = listing
        self._last: T | None = None
        self._has_more = False
        self._count = 0
        self._bytes = 0

    def opening(self) -> bytes:
        """Return what stands before the first item."""
        return _opening(self._listing)

    def add(self, item: T) -> bytes | None:
        """Return what stands in the list for an item; None when it is full."""
        listing = self._listing
        if self._count == listing.limit:
            self._has_more = True
            return None
        encoded = listing.encode(item)
        self._bytes += len(encoded)
        if self._count and listing.max_bytes is not None and self._bytes > listing.max_bytes:
            self._has_more = True
            return None
        self._last, self._count = item, self._count + 1
        return encoded if self._count == 1 else b"," + encoded

    def closing(self) -> bytes:
        """Return what stands behind the last item."""
        return b"]" + _closing(self._listing, self._listing.ending(self._last, self._has_more))


class _Sending:
    """Sends an answer in parts of some length, or in one if it is no longer than that."""

    def __init__(self, request: web.Request, opening: bytes, status: int, listing: Listing[T]) -> None:
        self._request = request
        self._waiting = bytearray(opening)
        self._status = status
        self._media_type = listing.media_type
        self._tag = listing.tag
        self._response: web.StreamResponse | None = None

    def add(self, part: bytes) -> bool:
        """Have a part wait; tell whether it is time to send what does."""
        self._waiting += part
        return len(self._waiting) >= _CHUNK_BYTES

    async def send(self) -> bool:
        """Send what waits, before more is asked for: only so much is in memory. Tell whether more is wanted."""
        if self._response is None:
            self._response = self._made(web.StreamResponse(status=self._status))
            await self._response.prepare(self._request)
        if self._request.method == "HEAD":
            return False
        await write_within(self._response, bytes(self._waiting))
        self._waiting.clear()
        await asyncio.sleep(0)  # a caller that reads as fast as we write leaves the others their turn
        return True

    async def end(self) -> web.StreamResponse:
        """Return the answer, with what still waits."""
        if self._response is None:
            return self._made(web.Response(status=self._status, body=bytes(self._waiting)))
        if self._request.method != "HEAD":
            await write_within(self._response, bytes(self._waiting))
            await self._response.write_eof()
        return self._response

    def _made(self, response: R) -> R:
        response.headers["Content-Type"] = self._media_type
        if self._tag is not None:
            tagged(response, self._tag)
        return response


def _opening(listing: Listing[T]) -> bytes:
    if listing.name is None:
        return b"["
    return (
        b"{"
        + b"".join(_member(name, value) + b"," for name, value in listing.head.items())
        + _name(listing.name)
        + b"["
    )


def _closing(listing: Listing[T], members: Mapping[str, Json]) -> bytes:
    return b"" if listing.name is None else b"".join(b"," + _member(*each) for each in members.items()) + b"}"


def _member(name: str, value: Json) -> bytes:
    return _name(name) + json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _name(name: str) -> bytes:
    return f'"{name}":'.encode()
