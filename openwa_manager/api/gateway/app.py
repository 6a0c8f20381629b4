"""Puts `/api` together: OpenWA's own API, each session served by a process of its own."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from openwa_manager.api.gateway.errors import GatewayError, json_answer
from openwa_manager.api.gateway.forwarding import Forwarding
from openwa_manager.api.gateway.routes import own_route
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.gateway.sessions import JSON, GatewaySessions
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.roles import OPEN, Role
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.domain.times import iso8601
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.services.messaging.pacing import Pacing
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.requests import SessionRequests

_UP = {"status": "up"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDependencies:
    """The parts of the daemon that the gateway uses.

    `engines` are those that speak OpenWA's API, by the name sessions know them by. `usage` tells what a session's
    engine used when last measured (None: not measured), `kill` kills a session's engine, `now` is wall
    time.
    """

    sessions: SessionDirectory
    requests: SessionRequests
    inbox: EngineInbox
    engines: Mapping[str, OpenwaEngine]
    pacing: Pacing
    usage: Callable[[SessionId], Usage | None]
    kill: Callable[[SessionId], Awaitable[None]]
    now: Callable[[], float]


def gateway_routes(dependencies: GatewayDependencies) -> tuple[Route, ...]:
    """Return every route below `/api`."""
    sessions = dependencies.sessions
    finder = SessionFinder(sessions)
    forwarding = Forwarding(dependencies.inbox, finder, dependencies.engines, dependencies.pacing)
    own = GatewaySessions(sessions, dependencies.requests, finder, forwarding, dependencies.usage, dependencies.kill)
    return (
        *_Health(sessions, dependencies.now).table(),
        *own.table(),
        *forwarding.table(),
        own_route("* /api/sessions{rest:.*}", Role.VIEWER, _refuse_unknown, {}),
        own_route("* /api/{rest:.*}", Role.VIEWER, _refuse_global, {}),
    )


class _Health:
    """OpenWA's health checks, answered for this daemon."""

    def __init__(self, sessions: SessionDirectory, now: Callable[[], float]) -> None:
        self._sessions = sessions
        self._now = now

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            own_route("GET /api/health", OPEN, self.check, {200: (JSON,)}),
            own_route("GET /api/health/live", OPEN, self.live, {200: (JSON,)}),
            own_route("GET /api/health/ready", OPEN, self.ready, {200: (JSON,), 503: (JSON,)}),
        )

    async def check(self, request: web.Request) -> web.Response:
        """Tell that the daemon answers, and what time it is."""
        del request
        return json_answer(200, {"status": "ok", "timestamp": iso8601(self._now())})

    async def live(self, request: web.Request) -> web.Response:
        """Tell that the daemon answers."""
        del request
        return json_answer(200, {"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """Tell whether every session has been taken up."""
        del request
        if self._sessions.is_draining:
            return json_answer(503, {"status": "error", "details": {"shutdown": {"status": "draining"}}})
        if not self._sessions.is_ready:
            return json_answer(503, {"status": "error", "details": {"sessions": {"status": "resuming"}}})
        return json_answer(200, {"status": "ok", "details": {"mainDatabase": _UP, "dataDatabase": _UP}})


async def _refuse_unknown(request: web.Request) -> web.StreamResponse:
    """Refuse what neither OpenWA nor we have."""
    raise GatewayError(404, f"Cannot {request.method} {request.path}")


async def _refuse_global(request: web.Request) -> web.StreamResponse:
    """Refuse what concerns a whole OpenWA."""
    detail = f"{request.method} {request.path} concerns a whole OpenWA; here every session has one of its own"
    raise GatewayError(501, detail)
