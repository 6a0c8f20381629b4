"""Shows a session's queue, pauses it, chooses its pace, and empties it."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from openwa_manager.api.messaging.dependencies import MessagingDependencies
from openwa_manager.api.messaging.queue_responses import QueueOut, queue_out
from openwa_manager.api.requests import Body, Nothing, Query
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.messaging.pacing import ProfileName
from openwa_manager.services.sessions.directory import SessionDirectory


class QueueChange(Body):
    """What is to change; absent and null leave it as it is. `active` ends every hold that a person must end."""

    state: Literal["active", "paused"] | None = None
    profile: ProfileName | None = None


class ClearQuery(Query):
    """How many messages wait, as the caller knows it: all of them are called off, and no others."""

    confirm: Annotated[int, Field(ge=0, lt=2**63)]


class QueueRoutes:
    """`/v1/sessions/{session_id}/queue`."""

    def __init__(self, sessions: SessionDirectory, messaging: MessagingDependencies) -> None:
        self._sessions = sessions
        self._messaging = messaging

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        path, shown = "/v1/sessions/{session_id}/queue", {200: (QueueOut,)}
        return (
            route(f"GET {path}", Action.READ_MESSAGES, self.show, Nothing, shown),
            route(f"PATCH {path}", Action.CHANGE_QUEUE, self.change, QueueChange, shown),
            route(f"DELETE {path}", Action.CHANGE_QUEUE, self.clear, ClearQuery, {200: (QueueOut,), 409: ()}),
        )

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Show how much waits in a session and why, how fast it goes and what it may still send today."""
        session = self._sessions.get(call.session_id)
        return json_answer(queue_out(await self._messaging.queues.view(session.session_id)))

    async def change(self, call: Call[QueueChange]) -> web.Response:
        """Pause a session's queue, let it go on, or choose its pace."""
        session, wanted = self._sessions.get(call.session_id), call.arguments
        if wanted.profile is not None:
            await self._messaging.queue_requests.set_profile(session.session_id, wanted.profile)
        if wanted.state is not None:
            await self._messaging.queue_requests.set_paused(session.session_id, is_paused=wanted.state == "paused")
        return json_answer(queue_out(await self._messaging.queues.view(session.session_id)))

    async def clear(self, call: Call[ClearQuery]) -> web.Response:
        """Call off all that waits in a session, if that is as much as the caller thinks."""
        session = self._sessions.get(call.session_id)
        await self._messaging.queue_requests.clear(session.session_id, call.arguments.confirm)
        return json_answer(queue_out(await self._messaging.queues.view(session.session_id)))
