"""Lists events in pages, or streams them as they happen; an event has the same bytes as at an endpoint."""

from dataclasses import replace
from functools import partial

from aiohttp import web

from openwa_manager.api.delivery.event_stream import EVENT_STREAM, EventStream, StreamTiming, position_in, wants_stream
from openwa_manager.api.delivery.responses import EventPage
from openwa_manager.api.requests import EventsQuery
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.broadcaster import Broadcaster, Interest
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import last_seq, read_events, seq_before
from openwa_manager.webhooks.envelope import write_body


class EventRoutes:
    """`/v1/events` and `/v1/sessions/{session_id}/events`."""

    def __init__(
        self, sessions: SessionDirectory, database: Database, broadcaster: Broadcaster, host: str, timing: StreamTiming
    ) -> None:
        self._sessions = sessions
        self._database = database
        self._host = host
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
        """Answer with a page, an event after the other, so that it is not in memory as a whole once more."""
        wanted = call.arguments
        limit = wanted.tail or wanted.limit
        read = partial(read_events, after=after, limit=limit, types=wanted.type, session_id=session_id)
        found = (await self._database.read(read)).events
        next_after = found[-1].seq if found else after
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(call.request)
        if call.request.method == "HEAD":
            return response
        await response.write(b'{"events":[')
        for number, stored in enumerate(found):
            await response.write((b"," if number else b"") + self._body(stored))
        await response.write(b'],"next_after":%d}' % next_after)
        await response.write_eof()
        return response

    def _body(self, stored: StoredEvent) -> bytes:
        """Return the event as an endpoint gets it; a code comes with its image only while it is valid."""
        event = stored.event
        if event.type != "session.qr":
            return write_body(stored.id, event, self._host)
        data = dict(event.data)
        sha256 = str(data.pop("sha256", ""))
        image = self._sessions.qr_image_of(event.session_id or SessionId(""), sha256)
        return write_body(stored.id, replace(event, data=data), self._host, image)
