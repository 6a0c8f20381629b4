"""Lists events in pages, or streams them as they happen; an event has the same bytes as at an endpoint."""

from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from aiohttp import web

from openwa_manager.api.delivery.event_stream import EVENT_STREAM, EventStream, StreamTiming, position_in, wants_stream
from openwa_manager.api.delivery.responses import EventPage
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import EventsQuery
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.broadcaster import Broadcaster, Interest
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import begins_large, last_seq, read_events, seq_before
from openwa_manager.webhooks.envelope import write_body

#: So many events are read at once, and fewer where they are large.
_SLICE = 50


class EventRoutes:
    """`/v1/events` and `/v1/sessions/{session_id}/events`."""

    def __init__(
        self, sessions: SessionDirectory, database: Database, broadcaster: Broadcaster, host: str, timing: StreamTiming
    ) -> None:
        self._sessions = sessions
        self._database = database
        self._host = host
        self._shared_reads = broadcaster.shared_reads
        self._stream = EventStream(broadcaster, self._body, timing)

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        answers = {200: (EventPage, EVENT_STREAM)}
        return (
            route("GET /v1/events", Role.VIEWER, self.list_all, EventsQuery, answers),
            route("GET /v1/sessions/{session_id}/events", Role.VIEWER, self.list_of_session, EventsQuery, answers),
        )

    async def list_all(self, call: Call[EventsQuery]) -> web.StreamResponse:
        """List the events of all sessions and of the daemon, oldest first, or stream them as they happen."""
        return await self._answer(call, None)

    async def list_of_session(self, call: Call[EventsQuery]) -> web.StreamResponse:
        """List a session's events, oldest first, or stream them as they happen."""
        return await self._answer(call, self._sessions.get(call.session_id).session_id)

    async def _answer(self, call: Call[EventsQuery], session_id: SessionId | None) -> web.StreamResponse:
        wanted, after = call.arguments, await self._beginning(call.arguments, session_id)
        if not wants_stream(call.request):
            return await self._page(call, after or 0, session_id)
        position = position_in(call.request, after)
        if position is None:  # before the answer begins: whoever sees that it has begun misses nothing from then on
            position = await self._database.read(last_seq)
        interest = Interest(after=position, types=wanted.type, session_id=session_id)
        return await self._stream.answer(call.request, interest)

    async def _beginning(self, wanted: EventsQuery, session_id: SessionId | None) -> int | None:
        if wanted.tail is None:
            return wanted.after
        if wanted.after is not None:
            raise InvalidInputError("tail", "cannot be combined with after")
        count = partial(seq_before, count=wanted.tail, types=wanted.type, session_id=session_id)
        return await self._database.read(count)

    async def _page(self, call: Call[EventsQuery], after: int, session_id: SessionId | None) -> web.StreamResponse:
        page: Listing[StoredEvent] = Listing(
            name="events",
            encode=self._body,
            ending=lambda last, _: {"next_after": last.seq if last else after},
            limit=call.arguments.tail or call.arguments.limit,
        )
        async with aclosing(self._stored(after, call.arguments.type, session_id, page.limit or 0)) as found:
            return await answer_list(call.request, found, page)

    async def _stored(
        self, after: int, types: Sequence[str], session_id: SessionId | None, count: int
    ) -> AsyncGenerator[StoredEvent]:
        """Go through `count` events behind a position, few of which are in memory at a time."""
        is_full = True
        while is_full and count > 0:
            large = partial(begins_large, after=after, types=types, session_id=session_id)
            limit = min(count, _SLICE)
            read = partial(read_events, after=after, limit=limit, types=types, session_id=session_id)
            async with self._shared_reads.reading(large, read) as (events, is_full):
                count -= len(events)
                waiting = deque(events)
                while waiting:
                    after = waiting[0].seq
                    yield waiting.popleft()

    def _body(self, stored: StoredEvent) -> bytes:
        """Return the event as an endpoint gets it; a code comes with its image only while it is valid."""
        event = stored.event
        if event.type != "session.qr":
            return write_body(stored.id, event, self._host)
        data = dict(event.data)
        sha256 = str(data.pop("sha256", ""))
        image = self._sessions.qr_image_of(event.session_id or SessionId(""), sha256)
        return write_body(stored.id, replace(event, data=data), self._host, image)
