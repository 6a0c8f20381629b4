"""`/api/sessions`: the life of sessions, and what is read from a linked account."""

import asyncio
from collections import Counter
from typing import cast

from openwa_manager.simulator.http.errors import not_started, refusal
from openwa_manager.simulator.http.wire import Json, Response
from openwa_manager.simulator.release import Release
from openwa_manager.simulator.routes.bodies import CHAT_STATE, CREATE_SESSION, PAIRING_CODE, UPDATE_CONFIG
from openwa_manager.simulator.routes.pipeline import Route, RouteCall
from openwa_manager.simulator.state.messages import Messages
from openwa_manager.simulator.state.rows import chats, whole
from openwa_manager.simulator.state.sessions import Sessions
from openwa_manager.simulator.usage import rss_mb

ROOT = "/api/sessions"
ONE = f"{ROOT}/:sessionId"
CHATS_LIMIT = 100_000
SESSIONS_LIMIT = 1000


class SessionRoutes:
    """Handlers of the session controller."""

    def __init__(self, sessions: Sessions, messages: Messages, tasks: asyncio.TaskGroup, release: Release) -> None:
        self._release = release
        self._sessions = sessions
        self._messages = messages
        self._tasks = tasks

    def routes(self) -> list[Route]:
        """Return the route table; literal paths stand before parameters."""
        return [
            Route(method="POST", path=ROOT, handler=self._create, role="operator", body=CREATE_SESSION, is_global=True),
            Route(method="GET", path=ROOT, handler=self._list),
            Route(method="GET", path=f"{ROOT}/stats/overview", handler=self._overview),
            Route(method="GET", path=ONE, handler=self._get, takes_uuid=True),
            Route(method="DELETE", path=ONE, handler=self._delete, role="operator", takes_uuid=True),
            Route(method="GET", path=f"{ONE}/config", handler=self._config, takes_uuid=True),
            Route(
                method="PATCH",
                path=f"{ONE}/config",
                handler=self._config,
                role="operator",
                body=UPDATE_CONFIG,
                takes_uuid=True,
            ),
            Route(method="POST", path=f"{ONE}/start", handler=self._start, role="operator", takes_uuid=True),
            Route(method="POST", path=f"{ONE}/stop", handler=self._stop, role="operator", takes_uuid=True),
            Route(method="POST", path=f"{ONE}/logout", handler=self._logout, role="operator", takes_uuid=True),
            Route(method="POST", path=f"{ONE}/force-kill", handler=self._force_kill, role="operator", takes_uuid=True),
            Route(method="GET", path=f"{ONE}/qr", handler=self._qr, role="operator", takes_uuid=True),
            Route(
                method="POST",
                path=f"{ONE}/pairing-code",
                handler=self._pairing_code,
                role="operator",
                body=PAIRING_CODE,
                takes_uuid=True,
            ),
            Route(method="GET", path=f"{ONE}/chats", handler=self._chats),
            Route(method="GET", path=f"{ONE}/groups", handler=self._nothing_yet),
            Route(method="GET", path=f"{ONE}/contacts", handler=self._nothing_yet),
            Route(method="GET", path=f"{ONE}/contacts/check/:number", handler=self._check_number),
            Route(method="POST", path=f"{ONE}/chats/typing", handler=self._succeed, role="operator", body=CHAT_STATE),
        ]

    async def _create(self, call: RouteCall) -> Response:
        is_admin = call.key is None or call.key.role == "admin"
        if call.body.get("proxyUrl") and self._release.asks_admin_for_proxy and not is_admin:
            raise refusal(403, "Setting a proxy requires an admin API key")
        config = call.body.get("config")
        row = self._sessions.create(cast("str", call.body["name"]), config if isinstance(config, dict) else {})
        return Response(status=201, body=self._sessions.view(row.id))

    async def _list(self, call: RouteCall) -> Response:
        rows = [row for row in self._sessions.rows() if call.is_in_scope(row.id)]
        start = whole(call.request.query, "offset", 0)
        limit = min(max(1, whole(call.request.query, "limit", SESSIONS_LIMIT)), SESSIONS_LIMIT)
        return Response(status=200, body=[self._sessions.view(row.id) for row in rows[start : start + limit]])

    async def _get(self, call: RouteCall) -> Response:
        return self._view(call)

    async def _delete(self, call: RouteCall) -> Response:
        self._sessions.delete(call.session_id)
        return Response(status=204)

    async def _config(self, call: RouteCall) -> Response:
        return Response(status=200, body=self._sessions.configure(call.session_id, call.body))

    async def _start(self, call: RouteCall) -> Response:
        self._sessions.start(call.session_id, self._tasks)
        return self._view(call)

    async def _stop(self, call: RouteCall) -> Response:
        self._sessions.stop(call.session_id)
        return self._view(call)

    async def _logout(self, call: RouteCall) -> Response:
        self._sessions.logout(call.session_id)
        return self._view(call)

    async def _force_kill(self, call: RouteCall) -> Response:
        self._sessions.get(call.session_id)
        if self._sessions.engine(call.session_id) is None:
            raise not_started()
        self._sessions.stop(call.session_id)
        return self._view(call)

    async def _qr(self, call: RouteCall) -> Response:
        """Answer the code; a scanned one lingers until the link opens, told apart by the status alone."""
        status = self._sessions.get(call.session_id).status
        engine = self._sessions.engine(call.session_id)
        if engine is None:
            raise not_started()
        if engine.code is not None:
            return Response(status=200, body={"qrCode": engine.code.data_url, "status": status})
        if status == "ready":
            raise refusal(400, "Session is already authenticated, no QR code needed")
        raise refusal(400, "QR code is not ready yet. Please wait...")

    async def _pairing_code(self, call: RouteCall) -> Response:
        status = self._sessions.get(call.session_id).status
        engine = self._sessions.engine(call.session_id)
        if engine is None:
            raise not_started()
        if status == "ready":
            raise refusal(400, "Session is already authenticated, no pairing needed")
        if engine.code is None:
            raise refusal(409, "Cannot request a pairing code before the engine is initialized.")
        return Response(status=201, body={"pairingCode": "MOCK1234", "status": status})

    async def _check_number(self, call: RouteCall) -> Response:
        return Response(status=200, body=self._messages.check_number(call.session_id, call.params["number"]))

    async def _chats(self, call: RouteCall) -> Response:
        self._require_linked(call.session_id)
        start = whole(call.request.query, "offset", 0)
        limit = whole(call.request.query, "limit", CHATS_LIMIT)
        found: list[Json] = [*chats(self._messages.rows.known(call.session_id))]
        return Response(status=200, body=found[start : start + limit])

    async def _nothing_yet(self, call: RouteCall) -> Response:
        self._require_linked(call.session_id)
        return Response(status=200, body=[])

    async def _succeed(self, call: RouteCall) -> Response:
        self._require_linked(call.session_id)
        return Response(status=200, body={"success": True})

    async def _overview(self, call: RouteCall) -> Response:
        rows = [row for row in self._sessions.rows() if call.is_in_scope(row.id)]
        counts = Counter(row.status for row in rows)
        memory: Json = {"heapUsed": rss_mb(), "heapTotal": rss_mb(), "rss": rss_mb()}
        body: Json = {
            "total": len(rows),
            "active": sum(self._sessions.engine(row.id) is not None for row in rows),
            "ready": counts["ready"],
            "disconnected": counts["disconnected"],
            "byStatus": {status: count for status, count in counts.items() if count},
            "memoryUsage": memory,
        }
        return Response(status=200, body=body)

    def _require_linked(self, session_id: str) -> None:
        """Refuse, in the words of the calls that read an account, while it is not linked. Raises: HttpError."""
        if self._sessions.engine(session_id) is None:
            raise refusal(400, "Session is not started")
        self._sessions.ready_engine(session_id)

    def _view(self, call: RouteCall) -> Response:
        return Response(status=200, body=self._sessions.view(call.session_id))
