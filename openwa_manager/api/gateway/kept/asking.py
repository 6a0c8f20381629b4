"""How the calls here reach the engine, now or when it has come up, and how they read what is said."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import web
from pydantic import ValidationError

from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.bodies.uploads import Payload, Upload, payload_of
from openwa_manager.api.errors import TooLargeError
from openwa_manager.api.gateway.errors import GatewayError, unacceptable
from openwa_manager.api.gateway.kept.fields import typed
from openwa_manager.api.gateway.relay import EngineAnswer
from openwa_manager.api.requests import Body
from openwa_manager.domain import foreign_json
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import DrainingError, EngineError, UnreadableJsonError
from openwa_manager.domain.session.session import ProcessState, Session, SessionId
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.services.sessions.directory import SessionDirectory

#: Asks the session's engine: method, path below the session, body.
Ask = Callable[[str, str, Payload], Awaitable[EngineAnswer]]
#: Below the 30 s after which OpenWA's own SDKs give a call up; an OpenWA that boots is ready after 3 s.
_BOOT_WAIT_S = 20.0


class JsonBytes(bytes):
    """JSON that we have written, of whatever type the caller's body was."""


def parsed(raw: bytes) -> Json:
    """Return what is written there, with a byte order mark or without; None when it is no JSON."""
    try:
        return foreign_json.parse(raw)
    except UnreadableJsonError:
        return None


def encoded(value: Json) -> JsonBytes:
    """Return it as OpenWA writes it."""
    return JsonBytes(json.dumps(value, separators=(",", ":")).encode())


def fields_of(body: Payload, content_type: str) -> dict[str, Json]:
    """Return the fields that a body holds, be it JSON or a form.

    Raises:
        GatewayError: it holds none.
        TooLargeError: it is larger than any of these is.
    """
    if isinstance(body, Upload):
        raise TooLargeError("request entity too large")  # OpenWA's words
    raw = body if isinstance(body, bytes) else b""
    form = form_of(raw, content_type)
    fields = parsed(raw) if form is None else form
    if not isinstance(fields, dict):
        raise GatewayError(400, ["the body must be a JSON object"])
    return typed(fields)


async def sent_fields(request: web.Request) -> dict[str, Json]:
    """Return the fields that a request brings.

    Raises:
        GatewayError: it brings none.
    """
    return fields_of(await payload_of(request), request.content_type)


def require(fields: Mapping[str, Json], shape: type[Body]) -> None:
    """Return if OpenWA would take these fields.

    Raises:
        GatewayError: it would not.
    """
    try:
        shape.model_validate(fields)
    except ValidationError as error:
        raise unacceptable(error) from error


class ChangeTeller:
    """Tells engines that have come up meanwhile what was changed while they did not run."""

    def __init__(self, sessions: SessionDirectory, engines: Mapping[str, OpenwaEngine]) -> None:
        self._sessions = sessions
        self._engines = engines

    def relay_url(self, session: Session, token: str) -> str:
        """Return where the session's engine posts what one of its users wants.

        Raises:
            EngineError: there is no engine.
        """
        if session.launch is None:
            raise EngineError("its engine has ended")
        return self._engines[session.spec.engine].context.relay_url(session.session_id, session.launch, token)

    async def tell(self, session_id: SessionId) -> None:
        """Tell the session's engine if one runs; one that boots is waited for. What it does not take stays pending."""
        with suppress(DrainingError, EngineError):
            session = await self._sessions.wait(session_id, _is_settled, _BOOT_WAIT_S)
            if session.process is ProcessState.RUNNING and session.launch is not None:
                await self._engines[session.spec.engine].tell_changes(session, session.launch)


def _is_settled(session: Session) -> bool:
    return session.process is not ProcessState.STARTING
