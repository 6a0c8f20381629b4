"""Shows the registry: session -> pid."""

from aiohttp import web

from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, json_answer, route
from openwa_manager.api.sessions.responses import Registry
from openwa_manager.domain.access.actions import Action
from openwa_manager.services.sessions.directory import SessionDirectory


class RegistryRoutes:
    """`/v1/registry`."""

    def __init__(self, sessions: SessionDirectory) -> None:
        self._sessions = sessions

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (route("GET /v1/registry", Action.READ_SESSIONS, self.show, Nothing, {200: (Registry,)}),)

    async def show(self, call: Call[Nothing]) -> web.Response:
        """Map every session with a live engine to that engine's pid."""
        scope = call.caller.scope
        found = {session_id: identity.pid for session_id, identity in self._sessions.live().items()}
        return json_answer(Registry({each: pid for each, pid in found.items() if scope.names(each)}))
