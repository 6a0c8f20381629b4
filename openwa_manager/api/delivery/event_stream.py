"""Streams events as they happen over one long answer: server-sent events (html.spec.whatwg.org, Server-sent events)."""

import re
from collections.abc import Callable, Iterable
from contextlib import aclosing

from aiohttp import web

from openwa_manager.api.access.records import record_shown_code
from openwa_manager.api.lists.pages import write_within
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.values import dataclass
from openwa_manager.services.delivery.broadcaster import Broadcaster, Interest

EVENT_STREAM = "text/event-stream"
_POSITION = re.compile(r"[0-9]{1,18}")
#: Sent first: the caller sees at once that the stream has begun, and how soon (ms) to come back if it breaks.
_OPENING = b"retry: 1000\n\n"
_COMMENT = b":\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTiming:
    """After how much silence a comment is sent, and how long a reader may leave unread what was sent."""

    comment_s: float = 15.0
    stall_s: float = 30.0


class EventStream:
    """Answers with events until the caller leaves, reads too slowly, or the daemon ends."""

    def __init__(
        self,
        broadcaster: Broadcaster,
        body: Callable[[StoredEvent], bytes],
        shows_code: Callable[[StoredEvent], bool],
        timing: StreamTiming,
    ) -> None:
        self._broadcaster = broadcaster
        self._body = body
        self._shows_code = shows_code
        self._timing = timing

    async def answer(self, request: web.Request, interest: Interest) -> web.StreamResponse:
        """Return once the stream is over; a reader that comes back with `Last-Event-ID` misses nothing.

        Raises:
            SlowReaderError: the caller did not read in time.
        """
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no"})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        await self._send(request, response, interest)
        await response.write_eof()
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, interest: Interest) -> None:
        is_told = False
        await write_within(response, _OPENING, self._timing.stall_s)
        async with aclosing(self._broadcaster.follow(interest, self._timing.comment_s)) as batches:
            async for batch in batches:
                if not is_told and (code := next(filter(self._shows_code, batch or ()), None)) is not None:
                    is_told = True  # once for all that this stream shows
                    await record_shown_code(request, code.event.session_id)
                await write_within(response, self._frames(batch) if batch else _COMMENT, self._timing.stall_s)

    def _frames(self, batch: Iterable[StoredEvent]) -> bytes:
        return b"".join(self._frame(each) for each in batch)

    def _frame(self, stored: StoredEvent) -> bytes:
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (stored.seq, _name(stored), self._body(stored))


def wants_stream(request: web.Request) -> bool:
    """Tell whether the caller asks for a stream rather than a page."""
    return EVENT_STREAM in request.headers.get("Accept", "")


def position_in(request: web.Request, after: int | None) -> int | None:
    """Return where a stream begins: where the caller's last one broke off, else `after`; None means now.

    Raises:
        InvalidInputError: the `Last-Event-ID` is none of ours.
    """
    last = request.headers.get("Last-Event-ID")
    if not last:
        return after
    if _POSITION.fullmatch(last) is None:
        raise InvalidInputError("Last-Event-ID", "is no position of ours")
    return int(last)


def _name(stored: StoredEvent) -> bytes:
    """Return the type on one line: those that engines make up may hold anything."""
    return " ".join(stored.event.type.splitlines()).encode()
