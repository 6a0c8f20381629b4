"""`/api`, an OpenWA that isolates: its own routes, each session served by a process of its own (API.md, Gateway)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from openwa_manager.api.gateway.directory import Directory
from openwa_manager.api.gateway.errors import GatewayError, json_answer
from openwa_manager.api.gateway.forwarding import Forwarding
from openwa_manager.api.gateway.sessions import GatewaySessions
from openwa_manager.domain.session.session import SessionId, Usage
from openwa_manager.domain.session.times import iso8601
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.services.messaging.pacing import Pacing
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.requests import SessionRequests

_UP = {"status": "up"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDependencies:
    """What the gateway stands on.

    `engines` are those that speak OpenWA's API, by the name sessions know them by. `usage` tells what a session's
    engine used when last measured (None: not measured), `kill` ends a session's engine the hard way, `now` is wall
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


def gateway_app(dependencies: GatewayDependencies) -> web.Application:
    """Return the application to be mounted at `/api`; whoever mounts it lets in and words the errors."""
    directory = Directory(dependencies.sessions)
    forwarding = Forwarding(dependencies.inbox, directory, dependencies.engines, dependencies.pacing)
    app = web.Application()
    _Health(dependencies.sessions, dependencies.now).add_to(app.router)
    GatewaySessions(
        dependencies.sessions,
        dependencies.requests,
        directory,
        forwarding,
        dependencies.usage,
        dependencies.kill,
    ).add_to(app.router)
    app.router.add_route("*", "/sessions{rest:.*}", _refuse_unknown)
    app.router.add_route("*", "/{rest:.*}", _refuse_global)
    return app


class _Health:
    """OpenWA's signs of life, of this daemon."""

    def __init__(self, sessions: SessionDirectory, now: Callable[[], float]) -> None:
        self._sessions = sessions
        self._now = now

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/health", self.check)
        router.add_get("/health/live", self.live)
        router.add_get("/health/ready", self.ready)

    async def check(self, request: web.Request) -> web.Response:
        del request
        return json_answer(200, {"status": "ok", "timestamp": iso8601(self._now())})

    async def live(self, request: web.Request) -> web.Response:
        del request
        return json_answer(200, {"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        del request
        if self._sessions.is_draining:
            return json_answer(503, {"status": "error", "details": {"shutdown": {"status": "draining"}}})
        if not self._sessions.is_ready:
            return json_answer(503, {"status": "error", "details": {"sessions": {"status": "resuming"}}})
        return json_answer(200, {"status": "ok", "details": {"mainDatabase": _UP, "dataDatabase": _UP}})


async def _refuse_unknown(request: web.Request) -> web.StreamResponse:
    raise GatewayError(404, f"Cannot {request.method} {request.path}")


async def _refuse_global(request: web.Request) -> web.StreamResponse:
    detail = f"{request.method} {request.path} concerns a whole OpenWA; here every session has one of its own"
    raise GatewayError(501, detail)
