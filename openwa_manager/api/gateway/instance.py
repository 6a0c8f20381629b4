"""What callers ask before they begin: are the whole and the session well, does a key hold; and what nobody has here."""

from collections.abc import Callable, Mapping

from aiohttp import web

from openwa_manager.api.admission.rights import caller_of
from openwa_manager.api.gateway.errors import GatewayError, json_answer
from openwa_manager.api.gateway.routes import SESSION_PREFIX, own_route
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.gateway.session_records import openwa_status
from openwa_manager.api.host.health import health_of
from openwa_manager.api.host.responses import HealthCheckOut
from openwa_manager.api.request_keys import CALLER
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.roles import OPEN, Role
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.session import LinkState, Session
from openwa_manager.domain.times import iso8601
from openwa_manager.services.monitoring.health import HealthReader
from openwa_manager.services.sessions.directory import SessionDirectory

_JSON = "application/json"
_UP = {"status": "up"}
#: OpenWA has three roles, and sending needs `operator` there.
_OPENWA_ROLES: Mapping[Role, str] = {
    Role.VIEWER: "viewer",
    Role.SENDER: "operator",
    Role.OPERATOR: "operator",
    Role.ADMIN: "admin",
}
#: What the paths of calls begin with that OpenWA has and we have not, for here every session has an OpenWA of its own.
_NOT_HERE = (
    "admin",
    "audit",
    "auth/api-keys",
    "docs",
    "infra",
    "ingress",
    "integration",
    "mcp",
    "metrics",
    "plugins",
    "settings",
    "socket.io",
    "stats",
    "webhooks/delivery-failures",
)


class InstanceRoutes:
    """`/api/health`, a session's `health`, which the users' guide asks for, and `/api/auth/validate`."""

    def __init__(
        self,
        sessions: SessionDirectory,
        finder: SessionFinder,
        health: HealthReader,
        version: str,
        now: Callable[[], float],
    ) -> None:
        self._sessions = sessions
        self._finder = finder
        self._health = health
        self._version = version
        self._now = now

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            own_route("GET /api/health", OPEN, self.check, {200: (_JSON,)}),
            own_route("GET /api/health/live", OPEN, self.live, {200: (_JSON,)}),
            own_route("GET /api/health/ready", OPEN, self.ready, {200: (_JSON,), 503: (_JSON,)}),
            own_route(f"GET {SESSION_PREFIX}health", Action.ASK_GATEWAY, self.session, {200: (_JSON,), 503: (_JSON,)}),
            own_route("POST /api/auth/validate", Action.ASK_GATEWAY, self.validate, {200: (_JSON,)}),
        )

    async def check(self, request: web.Request) -> web.Response:
        """Tell that the daemon answers and what time it is; with a key also its version."""
        version = {"version": self._version} if CALLER in request else {}
        return json_answer(200, {"status": "ok", "timestamp": iso8601(self._now()), **version})

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

    async def session(self, request: web.Request) -> web.Response:
        """Tell whether a session is connected, or shows a code that can be scanned; 503 when it is neither."""
        session = self._finder.find(request.match_info["id"], caller_of(request))
        health = health_of(await self._health.of(session.session_id))
        is_well = all(check.is_ok or _is_awaited_scan(check, session) for check in health.checks)
        own: dict[str, Json] = {"sessionId": session.session_id, "status": openwa_status(session)}
        shown: dict[str, Json] = health.model_dump(mode="json")
        return json_answer(200 if is_well else 503, {**own, **shown, "healthy": is_well})

    async def validate(self, request: web.Request) -> web.Response:
        """Tell what a key may do, and whether only for some sessions; one that does not hold was refused before."""
        caller = caller_of(request)
        is_scoped = not caller.scope.is_unlimited
        return json_answer(200, {"valid": True, "role": _OPENWA_ROLES[caller.role], "scoped": is_scoped})


def _is_awaited_scan(check: HealthCheckOut, session: Session) -> bool:
    return check.name == "link" and session.link is LinkState.QR_READY


async def refuse_unknown(request: web.Request) -> web.StreamResponse:
    """Refuse what is outside of every session: with 501 if a whole OpenWA has it, else as what nobody has."""
    path = request.path.removeprefix("/api/").lower()
    if any(f"{path}/".startswith(f"{known}/") for known in _NOT_HERE):
        detail = f"{request.method} {request.path} concerns a whole OpenWA; here every session has one of its own"
        raise GatewayError(501, detail)
    raise GatewayError(404, f"Cannot {request.method} {request.path}")
