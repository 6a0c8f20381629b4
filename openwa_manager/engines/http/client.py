"""The HTTP client of one launch of OpenWA: its calls, its answers checked, its errors as ours."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, TypeAdapter

from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError, EngineTimeoutError, EngineUnableError
from openwa_manager.domain.ports import ListenerProof
from openwa_manager.domain.session.session import Launch
from openwa_manager.engines.http.connectors import StrangerError, base_url, connector_to, place_of
from openwa_manager.engines.http.reading import read_answer
from openwa_manager.engines.mapping import InnerSession, InnerWebhook, MissedPost, PairingCode, ShownQr
from openwa_manager.engines.versions import CAPABILITIES, Capability, shown

#: whatsapp-web.js answers `start` only after it launched its browser and loaded the page: 60 s at most, and a little.
START_TIMEOUT_S = 75.0
#: Calls that talk to WhatsApp before they answer.
SLOW_TIMEOUT_S = 30.0
T = TypeVar("T")
_SESSION = TypeAdapter(InnerSession)
_SESSIONS = TypeAdapter(list[InnerSession])
_WEBHOOKS = TypeAdapter(list[InnerWebhook])
_MISSED_POSTS = TypeAdapter(list[MissedPost])
_SHOWN_QR = TypeAdapter(ShownQr)
_PAIRING_CODE = TypeAdapter(PairingCode)
Body = Mapping[str, Json]


class _Refusal(BaseModel):
    message: str | list[str] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status and the bytes that came with it."""

    call: str
    status: int
    body: bytes

    @property
    def message(self) -> str:
        """Return what the engine says went wrong."""
        try:
            message = _Refusal.model_validate(foreign_json.parse(self.body)).message
        except ValueError:
            return ""
        return message if isinstance(message, str) else "; ".join(message)

    def refused(self) -> EngineError:
        """Return this answer as our error."""
        return EngineError(f"OpenWA answered {self.call} with {self.status}: {self.message or 'no reason given'}")


class NotOurEngineError(EngineError):
    """Something answers, or would, that is not this launch's engine, or does not know its key."""


class EngineClient:
    """Speaks to the OpenWA of one launch with one key; every call raises EngineError or EngineTimeoutError.

    No connection outlives its call: OpenWA ends without waiting for us, and none is reused after it was closed.
    """

    def __init__(self, launch: Launch, key: str, timeout_s: float, proof: ListenerProof) -> None:
        self._url = base_url(launch)
        self._place = place_of(launch)
        self._timeout_s = timeout_s
        self._http = aiohttp.ClientSession(
            connector=connector_to(launch, proof),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"X-API-Key": key, "Accept-Encoding": "identity"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Drop every call in flight."""
        await self._http.close()

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
        return _parsed(_SESSIONS, _require_success(answer))

    async def session(self, inner_id: str) -> InnerSession:
        """Return its record of one session."""
        return _parsed(_SESSION, _require_success(await self._call("GET", f"/api/sessions/{inner_id}")))

    async def create_session(self, name: str, proxy_url: str | None) -> InnerSession:
        """Make a session; it is not started yet."""
        body = {"name": name} if proxy_url is None else {"name": name, "proxyUrl": proxy_url}
        return _parsed(_SESSION, _require_success(await self._call("POST", "/api/sessions", body=body)))

    async def start(self, inner_id: str) -> Answer:
        """Ask it to start the session and return its answer, whatever it is."""
        return await self._call("POST", f"/api/sessions/{inner_id}/start", timeout_s=START_TIMEOUT_S)

    async def qr(self, inner_id: str) -> ShownQr | None:
        """Return the code it shows; None when there is none to show (it answers 400)."""
        answer = await self._call("GET", f"/api/sessions/{inner_id}/qr")
        return None if answer.status == 400 else _parsed(_SHOWN_QR, _require_success(answer))

    async def pairing_code(self, inner_id: str, phone_number: str) -> str:
        """Return a code to be typed into the phone with this number."""
        path, body = f"/api/sessions/{inner_id}/pairing-code", {"phoneNumber": phone_number}
        answer = await self._call("POST", path, body=body, timeout_s=SLOW_TIMEOUT_S)
        return _parsed(_PAIRING_CODE, _require_success(answer)).code

    async def log_out(self, inner_id: str) -> None:
        """Unlink the device and wipe its credentials."""
        answer = await self._call("POST", f"/api/sessions/{inner_id}/logout", timeout_s=SLOW_TIMEOUT_S)
        if answer.status == 404 and answer.message.startswith("Cannot POST"):
            since = shown(CAPABILITIES[Capability.LOG_OUT].since)
            raise EngineUnableError(f"this OpenWA has no logout call: it came with version {since}")
        _require_success(answer)

    async def webhooks(self, inner_id: str) -> list[InnerWebhook]:
        """Return the webhooks of a session."""
        return _parsed(_WEBHOOKS, _require_success(await self._call("GET", f"/api/sessions/{inner_id}/webhooks")))

    async def put_webhook(self, inner_id: str, webhook_id: str | None, body: Body) -> Answer:
        """Change a webhook, or make one when `webhook_id` is None; return the answer, whatever it is."""
        path = f"/api/sessions/{inner_id}/webhooks"
        if webhook_id is None:
            return await self._call("POST", path, body=body)
        return await self._call("PUT", f"{path}/{webhook_id}", body=body)

    async def configure(self, inner_id: str, changes: Body) -> Answer:
        """Change the configuration of a session; return the answer, whatever it is."""
        return await self._call("PATCH", f"/api/sessions/{inner_id}/config", body=changes)

    async def delete_webhook(self, inner_id: str, webhook_id: str) -> None:
        """Remove a webhook; one that is gone already is fine."""
        answer = await self._call("DELETE", f"/api/sessions/{inner_id}/webhooks/{webhook_id}")
        if answer.status != 404:
            _require_success(answer)

    async def redrive(self, inner_id: str, ids: Sequence[str]) -> None:
        """Have these missed posts posted again, at most 500; one that fails again stays among the missed."""
        body: Body = {"sessionId": inner_id, "ids": [*ids], "limit": len(ids)}
        path = "/api/webhooks/delivery-failures/redrive"
        _require_success(await self._call("POST", path, body=body, timeout_s=SLOW_TIMEOUT_S))

    async def missed_posts(self, inner_id: str) -> list[MissedPost]:
        """Return the posts it gave up, newest first; none from a version that keeps no record of them."""
        answer = await self._call("GET", f"/api/webhooks/delivery-failures?sessionId={inner_id}")
        return [] if answer.status == 404 else _parsed(_MISSED_POSTS, _require_success(answer))

    async def _call(
        self, method: str, path: str, *, body: Body | None = None, timeout_s: float | None = None
    ) -> Answer:
        call = f"{method} {path}"
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        payload = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            async with (
                asyncio.timeout(limit_s),
                self._http.request(
                    method, self._url + path, data=payload, headers=headers, allow_redirects=False
                ) as response,
            ):
                return Answer(call=call, status=response.status, body=await read_answer(response))
        except TimeoutError as error:
            raise EngineTimeoutError(f"OpenWA did not answer {call} within {limit_s:g} s") from error
        except StrangerError as error:
            raise NotOurEngineError(str(error)) from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:  # RuntimeError: we closed it meanwhile
            raise EngineError(f"OpenWA did not answer {call}: {str(error) or type(error).__name__}") from error


def _require_success(answer: Answer) -> Answer:
    if answer.status >= 300:
        raise answer.refused()
    return answer


def _parsed(shape: TypeAdapter[T], answer: Answer) -> T:
    try:
        return shape.validate_python(foreign_json.parse(answer.body))
    except ValueError as error:
        raise EngineError(f"OpenWA answered {answer.call} with something else than expected") from error
