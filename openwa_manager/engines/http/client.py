"""The HTTP client of one launch of OpenWA: its session, its webhooks, its health."""

from collections.abc import Sequence

from pydantic import ConfigDict, TypeAdapter

from openwa_manager.domain.errors import EngineError, EngineUnableError
from openwa_manager.engines.http.calls import (
    SLOW_TIMEOUT_S,
    Body,
    EngineCalls,
    HttpAnswer,
    NotOurEngineError,
    parsed,
    require_success,
)
from openwa_manager.engines.mapping import InnerSession, InnerWebhook, MissedPost, PairingCode, ShownQr
from openwa_manager.engines.versions import CAPABILITIES, Capability, shown

#: whatsapp-web.js answers `start` only after it launched its browser and loaded the page: 60 s at most, and a little.
START_TIMEOUT_S = 75.0
_DEFERRED = ConfigDict(defer_build=True)
_SESSION = TypeAdapter(InnerSession)
_SESSIONS = TypeAdapter(list[InnerSession], config=_DEFERRED)
_WEBHOOKS = TypeAdapter(list[InnerWebhook], config=_DEFERRED)
_MISSED_POSTS = TypeAdapter(list[MissedPost], config=_DEFERRED)
_SHOWN_QR = TypeAdapter(ShownQr)
_PAIRING_CODE = TypeAdapter(PairingCode)


class EngineClient(EngineCalls):
    """Speaks to the OpenWA of one launch about its session; every call raises EngineError or EngineTimeoutError."""

    async def is_ready(self) -> bool:
        """Tell whether the OpenWA says it is ready; silence and refused connections mean not yet.

        Raises:
            EngineError: something answers that is no OpenWA.
        """
        try:
            answer = await self._call("GET", "/api/health/ready")
        except NotOurEngineError:
            raise
        except EngineError:
            return False
        if answer.status not in (200, 503):
            raise EngineError(f"{self._place} is answered by a stranger: {answer.call} gave {answer.status}")
        return answer.status == 200

    async def sessions(self) -> list[InnerSession]:
        """Return its sessions, which also proves that it is ours: only our instance knows our key.

        Raises:
            NotOurEngineError: it is not, or was first used with another key.
            EngineError: it did not answer, or wrongly.
        """
        answer = await self._call("GET", "/api/sessions")
        if answer.status in (401, 403):
            raise NotOurEngineError(
                f"{self._place} is answered by a stranger: an OpenWA that does not know this session's key"
                " (the data directory was first used with another API_MASTER_KEY)"
            )
        return parsed(_SESSIONS, require_success(answer))

    async def session(self, inner_id: str) -> InnerSession:
        """Return its record of one session."""
        return parsed(_SESSION, require_success(await self._call("GET", f"/api/sessions/{inner_id}")))

    async def create_session(self, name: str, proxy_url: str | None) -> InnerSession:
        """Make a session; it is not started yet."""
        body = {"name": name} if proxy_url is None else {"name": name, "proxyUrl": proxy_url}
        return parsed(_SESSION, require_success(await self._call("POST", "/api/sessions", body=body)))

    async def start(self, inner_id: str) -> HttpAnswer:
        """Ask it to start the session and return its answer, whatever it is."""
        return await self._call("POST", f"/api/sessions/{inner_id}/start", timeout_s=START_TIMEOUT_S)

    async def qr(self, inner_id: str) -> ShownQr | None:
        """Return the code it shows; None when there is none to show (it answers 400)."""
        answer = await self._call("GET", f"/api/sessions/{inner_id}/qr")
        return None if answer.status == 400 else parsed(_SHOWN_QR, require_success(answer))

    async def pairing_code(self, inner_id: str, phone_number: str) -> str:
        """Return a code to be typed into the phone with this number."""
        path, body = f"/api/sessions/{inner_id}/pairing-code", {"phoneNumber": phone_number}
        answer = await self._call("POST", path, body=body, timeout_s=SLOW_TIMEOUT_S)
        return parsed(_PAIRING_CODE, require_success(answer)).code

    async def log_out(self, inner_id: str) -> None:
        """Unlink the device and wipe its credentials."""
        answer = await self._call("POST", f"/api/sessions/{inner_id}/logout", timeout_s=SLOW_TIMEOUT_S)
        if answer.status == 404 and answer.message.startswith("Cannot POST"):
            since = shown(CAPABILITIES[Capability.LOG_OUT].since)
            raise EngineUnableError(f"this OpenWA has no logout call: it came with version {since}")
        require_success(answer)

    async def webhooks(self, inner_id: str) -> list[InnerWebhook]:
        """Return the webhooks of a session."""
        return parsed(_WEBHOOKS, require_success(await self._call("GET", f"/api/sessions/{inner_id}/webhooks")))

    async def put_webhook(self, inner_id: str, webhook_id: str | None, body: Body) -> HttpAnswer:
        """Change a webhook, or make one when `webhook_id` is None; return the answer, whatever it is."""
        path = f"/api/sessions/{inner_id}/webhooks"
        if webhook_id is None:
            return await self._call("POST", path, body=body)
        return await self._call("PUT", f"{path}/{webhook_id}", body=body)

    async def configure(self, inner_id: str, changes: Body) -> HttpAnswer:
        """Change the configuration of a session; return the answer, whatever it is."""
        return await self._call("PATCH", f"/api/sessions/{inner_id}/config", body=changes)

    async def delete_webhook(self, inner_id: str, webhook_id: str) -> None:
        """Remove a webhook; one that is gone already is fine."""
        answer = await self._call("DELETE", f"/api/sessions/{inner_id}/webhooks/{webhook_id}")
        if answer.status != 404:
            require_success(answer)

    async def redrive(self, inner_id: str, ids: Sequence[str]) -> None:
        """Have these missed posts posted again, at most 500; one that fails again stays among the missed."""
        body: Body = {"sessionId": inner_id, "ids": [*ids], "limit": len(ids)}
        path = "/api/webhooks/delivery-failures/redrive"
        require_success(await self._call("POST", path, body=body, timeout_s=SLOW_TIMEOUT_S))

    async def missed_posts(self, inner_id: str) -> list[MissedPost]:
        """Return the posts it gave up, newest first; none from a version that keeps no record of them."""
        answer = await self._call("GET", f"/api/webhooks/delivery-failures?sessionId={inner_id}")
        return [] if answer.status == 404 else parsed(_MISSED_POSTS, require_success(answer))
