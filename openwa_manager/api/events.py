"""What the world was told, in pages; the bytes of an event are those an endpoint gets."""

from dataclasses import replace
from functools import partial

from aiohttp import web

from openwa_manager.api.given import EventsQuery
from openwa_manager.api.routing import Call, Route, route
from openwa_manager.api.schemas import EventPage
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.events import StoredEvent
from openwa_manager.domain.session import SessionId
from openwa_manager.services.sessions import Sessions
from openwa_manager.store.database import Database
from openwa_manager.store.outbox import read_events
from openwa_manager.webhooks.envelope import write_body


class EventRoutes:
    """`/v1/events` and `/v1/sessions/{session_id}/events`."""

    def __init__(self, sessions: Sessions, database: Database, host: str) -> None:
        self._sessions = sessions
        self._database = database
        self._host = host

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            route("GET /v1/events", self.list_all, EventsQuery, {200: (EventPage,)}),
            route("GET /v1/sessions/{session_id}/events", self.list_of_session, EventsQuery, {200: (EventPage,)}),
        )

    async def list_all(self, call: Call[EventsQuery]) -> web.Response:
        """List the events of all sessions and of the daemon, oldest first."""
        return await self._page(call.given, None)

    async def list_of_session(self, call: Call[EventsQuery]) -> web.Response:
        """List a session's events, oldest first."""
        return await self._page(call.given, self._sessions.get(call.session_id).session_id)

    async def _page(self, wanted: EventsQuery, session_id: SessionId | None) -> web.Response:
        read = partial(read_events, after=wanted.after, limit=wanted.limit, types=wanted.type, session_id=session_id)
        found = await self._database.read(read)
        next_after = found[-1].seq if found else wanted.after
        bodies = b",".join(self._body(stored) for stored in found)
        page = b'{"events":[%b],"next_after":%d}' % (bodies, next_after)
        return web.Response(body=page, content_type="application/json")

    def _body(self, stored: StoredEvent) -> bytes:
        event = stored.event
        if event.type != "session.qr":
            return write_body(stored.id, event, self._host)
        bare = replace(event, data={name: value for name, value in event.data.items() if name != "sha256"})
        return write_body(stored.id, bare, self._host, self._image_of(stored))

    def _image_of(self, stored: StoredEvent) -> bytes | None:
        """Return the image of a code that is still valid; None for one that has had its time."""
        session_id = stored.event.session_id or ""
        try:
            qr = self._sessions.get(session_id).qr
        except SessionNotFoundError:
            return None
        is_shown = qr is not None and qr.sha256 == stored.event.data.get("sha256")
        return self._sessions.qr_image(session_id) if is_shown else None
