"""Answers with a list, which is sent one item after the other: a whole one is never in memory.

However large the items are, and however many callers ask at once, each costs one item and what its connection buffers.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiohttp import web

from openwa_manager.api.errors import SlowReaderError
from openwa_manager.domain.delivery.events import Json

T = TypeVar("T")

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
    `media_type` is what the answer says it is.
    """

    encode: Callable[[T], bytes]
    name: str | None
    ending: Callable[[T | None, bool], Mapping[str, Json]] = lambda _, __: {}
    head: Mapping[str, Json] = field(default_factory=dict)
    limit: int | None = None
    max_bytes: int | None = PAGE_MAX_BYTES
    media_type: str = "application/json"


async def answer_list(
    request: web.Request, items: AsyncIterable[T] | Iterable[T], listing: Listing[T], status: int = 200
) -> web.StreamResponse:
    """Return the answer once it is sent; give one item more than the limit, so that it is known whether others follow.

    Raises:
        SlowReaderError: the caller does not read what is sent.
    """
    response: web.StreamResponse | None = None
    async with aclosing(_parts(items, listing)) as parts:
        waiting = bytearray()
        async for part in parts:
            waiting += part
            if len(waiting) >= _CHUNK_BYTES:  # before the next one is asked for: only so many large ones are in memory
                response = response or await _begun(request, status, listing.media_type)
                if request.method == "HEAD":
                    return response
                await write_within(response, bytes(waiting))
                waiting.clear()
                await asyncio.sleep(0)  # a caller that reads as fast as we write leaves the others their turn
    if response is None:
        return web.Response(status=status, body=bytes(waiting), headers={"Content-Type": listing.media_type})
    await write_within(response, bytes(waiting))
    await response.write_eof()
    return response


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


async def _begun(request: web.Request, status: int, media_type: str) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": media_type})
    await response.prepare(request)
    return response


async def _parts(items: AsyncIterable[T] | Iterable[T], listing: Listing[T]) -> AsyncGenerator[bytes]:
    """Yield the answer in pieces, one for each item."""
    yield _opening(listing)
    last: T | None = None
    has_more, sent_count, sent_bytes = False, 0, 0
    async for item in _each(items):
        if sent_count == listing.limit:
            has_more = True
            break
        encoded = listing.encode(item)
        sent_bytes += len(encoded)
        if sent_count and listing.max_bytes is not None and sent_bytes > listing.max_bytes:
            has_more = True
            break
        yield (b"," if sent_count else b"") + encoded
        last, sent_count = item, sent_count + 1
    yield b"]" + _closing(listing, listing.ending(last, has_more))


async def _each(items: AsyncIterable[T] | Iterable[T]) -> AsyncGenerator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


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
