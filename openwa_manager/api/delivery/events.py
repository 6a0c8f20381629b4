"""Lists events in pages, or streams them as they happen; an event has the same bytes as at an endpoint."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from aiohttp import web

from openwa_manager.api.access.records import record_shown_code
from openwa_manager.api.delivery.event_stream import EVENT_STREAM, EventStream, StreamTiming, position_in, wants_stream
from openwa_manager.api.delivery.responses import EventPage
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import EventsQuery
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.delivery.event_filter import EventFilter, readable_by
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.broadcaster import Broadcaster, Interest
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.event_times import look_ahead
from openwa_manager.store.delivery.outbox import begins_large, last_seq, look_back, read_events
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
        self._stream = EventStream(broadcaster, self._body, self._shows_code, timing)

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        answers = {200: (EventPage, EVENT_STREAM)}
        return (
            route("GET /v1/events", Action.READ_EVENTS, self.list_all, EventsQuery, answers),
            route(
                "GET /v1/sessions/{session_id}/events", Action.READ_EVENTS, self.list_of_session, EventsQuery, answers
            ),
        )

    async def list_all(self, call: Call[EventsQuery]) -> web.StreamResponse:
        """List the events of all sessions and of the daemon, oldest first, or stream them as they happen."""
        return await self._answer(call, None)

    async def list_of_session(self, call: Call[EventsQuery]) -> web.StreamResponse:
        """List a session's events, oldest first, or stream them as they happen."""
        return await self._answer(call, self._sessions.get(call.session_id).session_id)

    async def _answer(self, call: Call[EventsQuery], session_id: SessionId | None) -> web.StreamResponse:
        wanted = readable_by(call.caller, call.arguments.type, session_id)
        after = await self._beginning(call.arguments, wanted)
        if not wants_stream(call.request):
            return await self._page(call, after or 0, wanted)
        position = position_in(call.request, after)
        if position is None:  # before the answer begins: whoever sees that it has begun misses nothing from then on
            position = await self._database.read(last_seq)
        return await self._stream.answer(call.request, Interest(after=position, events=wanted))

    async def _beginning(self, given: EventsQuery, wanted: EventFilter) -> int | None:
        beginnings = [name for name in ("after", "since", "tail") if getattr(given, name) is not None]
        if len(beginnings) > 1:
            raise InvalidInputError(beginnings[-1], f"cannot be combined with {beginnings[0]}")
        if given.since is not None:
            return await self._first_since(given.since.timestamp())
        if given.tail is None:
            return given.after
        found = await self._database.read(partial(look_back, count=given.tail, wanted=wanted))
        while found.missing_count:
            go_on = partial(look_back, count=found.missing_count, wanted=wanted, until=found.seq)
            found = await self._database.read(go_on)
        return found.seq

    async def _first_since(self, since: float) -> int:
        """Return the position behind which what happened then or later begins; few events are looked at in one go."""
        found = await self._database.read(partial(look_ahead, since=since))
        while not found.is_found:
            found = await self._database.read(partial(look_ahead, since=since, after=found.seq))
        return found.seq

    async def _page(self, call: Call[EventsQuery], after: int, wanted: EventFilter) -> web.StreamResponse:
        page: Listing[StoredEvent] = Listing(
            name="events",
            encode=self._body,
            ending=lambda last, _: {"next_after": last.seq if last else after},
            limit=call.arguments.tail or call.arguments.limit,
        )
        async with (
            aclosing(self._stored(after, wanted, page.limit or 0)) as found,
            aclosing(self._recorded(call.request, found)) as told,
        ):
            return await answer_list(call.request, told, page)

    async def _recorded(self, request: web.Request, found: AsyncGenerator[StoredEvent]) -> AsyncGenerator[StoredEvent]:
        """Go through the events, and have the audit tell of the first code among them before it is shown."""
        is_told = False
        async for stored in found:
            if not is_told and self._shows_code(stored):
                is_told = True
                await record_shown_code(request, stored.event.session_id)
            yield stored

    async def _stored(self, after: int, wanted: EventFilter, count: int) -> AsyncGenerator[StoredEvent]:
        """Go through `count` events behind a position, few of which are in memory at a time."""
        is_full = True
        while is_full and count > 0:
            large = partial(begins_large, after=after, wanted=wanted)
            read = partial(read_events, after=after, limit=min(count, _SLICE), wanted=wanted)
            async with self._shared_reads.reading(large, read) as page:
                is_full, after = page.is_full, page.end
                count -= len(page.events)
                waiting = deque(page.events)
                while waiting:
                    yield waiting.popleft()

    def _shows_code(self, stored: StoredEvent) -> bool:
        """Tell whether the event comes with the image of a code."""
        event = stored.event
        if event.type != "session.qr":
            return False
        sha256 = str(event.data.get("sha256", ""))
        return self._sessions.qr_image_of(event.session_id or SessionId(""), sha256) is not None

    def _body(self, stored: StoredEvent) -> bytes:
        """Return the event as an endpoint gets it; a code comes with its image only while it is valid."""
        event = stored.event
        if event.type != "session.qr":
            return write_body(stored.id, event, self._host)
        data = dict(event.data)
        sha256 = str(data.pop("sha256", ""))
        image = self._sessions.qr_image_of(event.session_id or SessionId(""), sha256)
        return write_body(stored.id, replace(event, data=data), self._host, image)
