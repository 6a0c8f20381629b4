"""Health, keys, the restart button, and the metrics, which are switched off."""

from collections.abc import Callable
from typing import cast

from openwa_manager.simulator.clock import iso_now
from openwa_manager.simulator.http.errors import refusal
from openwa_manager.simulator.http.wire import Json, Response
from openwa_manager.simulator.routes.bodies import CREATE_KEY
from openwa_manager.simulator.routes.pipeline import Route, RouteCall
from openwa_manager.simulator.state.keys import Keys, presented_key


class SystemRoutes:
    """Handlers of everything outside sessions."""

    def __init__(self, keys: Keys, is_draining: Callable[[], bool], restart: Callable[[], None], version: str) -> None:
        self._version = version
        self._keys = keys
        self._is_draining = is_draining
        self._restart = restart

    def routes(self) -> list[Route]:
        """Return the route table."""
        keys = "/api/auth/api-keys"
        return [
            Route(method="GET", path="/api/health", handler=self._health, is_open=True),
            Route(method="GET", path="/api/health/live", handler=self._live, is_open=True),
            Route(method="GET", path="/api/health/ready", handler=self._ready, is_open=True),
            Route(method="GET", path="/api/metrics", handler=self._metrics, is_open=True),
            Route(
                method="POST", path="/api/infra/restart", handler=self._request_restart, role="admin", is_global=True
            ),
            Route(method="POST", path="/api/auth/validate", handler=self._validate),
            Route(method="POST", path=keys, handler=self._create_key, role="admin", body=CREATE_KEY, is_global=True),
            Route(method="GET", path=keys, handler=self._list_keys, role="admin", is_global=True),
            Route(method="GET", path=f"{keys}/:id", handler=self._get_key, role="admin", is_global=True),
            Route(method="DELETE", path=f"{keys}/:id", handler=self._delete_key, role="admin", is_global=True),
            Route(method="POST", path=f"{keys}/:id/revoke", handler=self._revoke_key, role="admin", is_global=True),
        ]

    async def _health(self, call: RouteCall) -> Response:
        body: dict[str, Json] = {"status": "ok", "timestamp": iso_now()}
        key = presented_key(call.request)
        if key is not None and self._keys.find(key) is not None:
            body["version"] = self._version
        return Response(status=200, body=body)

    async def _live(self, call: RouteCall) -> Response:
        del call
        return Response(status=200, body={"status": "ok"})

    async def _ready(self, call: RouteCall) -> Response:
        del call
        if self._is_draining():
            draining: Json = {"status": "error", "details": {"shutdown": {"status": "draining"}}}
            return Response(status=503, body=draining)
        up: Json = {"status": "up"}
        return Response(status=200, body={"status": "ok", "details": {"mainDatabase": up, "dataDatabase": up}})

    async def _metrics(self, call: RouteCall) -> Response:
        del call
        raise refusal(404, "Metrics endpoint is disabled (set METRICS_TOKEN to enable)")

    async def _request_restart(self, call: RouteCall) -> Response:
        del call
        self._restart()
        body: Json = {
            "message": "Server is restarting. Please wait...",
            "restarting": True,
            "profiles": [],
            "profilesToRemove": [],
            "estimatedTime": 15,
        }
        return Response(status=200, body=body)

    async def _validate(self, call: RouteCall) -> Response:
        role = call.key.role if call.key is not None else None
        return Response(status=200, body={"valid": True, "role": role})

    async def _create_key(self, call: RouteCall) -> Response:
        sessions = cast("list[str]", call.body.get("allowedSessions") or [])
        body = self._keys.create(cast("str", call.body["name"]), call.text("role") or "operator", sessions)
        return Response(status=201, body=body)

    async def _list_keys(self, call: RouteCall) -> Response:
        del call
        return Response(status=200, body=self._keys.views())

    async def _get_key(self, call: RouteCall) -> Response:
        return Response(status=200, body=self._keys.view(self._keys.get(call.params["id"])))

    async def _delete_key(self, call: RouteCall) -> Response:
        self._keys.delete(call.params["id"])
        return Response(status=204)

    async def _revoke_key(self, call: RouteCall) -> Response:
        return Response(status=200, body=self._keys.view(self._keys.revoke(call.params["id"])))
