"""The routes that make, list, start, pair, stop and delete sessions, in OpenWA's words."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Literal, TypeVar

from aiohttp import web
from pydantic import Field, StringConstraints, ValidationError

from openwa_manager.api.access.records import name_in_record
from openwa_manager.api.admission.rights import caller_of, require
from openwa_manager.api.bodies.forms import form_of
from openwa_manager.api.gateway.errors import (
    MEDIA_TYPE,
    GatewayError,
    incomplete,
    json_answer,
    not_connected,
    not_found,
    not_started,
    unacceptable,
)
from openwa_manager.api.gateway.forwarding import Forwarding
from openwa_manager.api.gateway.kept.asking import encoded
from openwa_manager.api.gateway.kept.copies import EngineCopies
from openwa_manager.api.gateway.kept.fields import config_of
from openwa_manager.api.gateway.routes import SESSION_PREFIX, own_route
from openwa_manager.api.gateway.session_finder import SessionFinder
from openwa_manager.api.gateway.session_records import (
    INITIALIZING,
    READY,
    is_loaded,
    openwa_status,
    session_record,
    sessions_overview,
)
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.requests import SESSION_ID_TEXT, Body, EmptyList, object_text
from openwa_manager.api.routing import BODY_VALUES_MAX, Answer, Route, read_whole
from openwa_manager.domain import foreign_json
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.errors import EngineError, EngineUnableError, IllegalTransitionError, UnreadableJsonError
from openwa_manager.domain.session.session import Desired, ProcessState, Session, SessionId, Usage
from openwa_manager.services.sessions.new_session import NewSession
from openwa_manager.services.sessions.requests import SessionRequests

#: Below the 30 s after which OpenWA's own SDKs give a call up.
_START_WAIT_S, _STOP_WAIT_S = 25.0, 25.0
_LIST_MAX = 1000
JSON = "application/json"
_SETTLED = (ProcessState.RUNNING, ProcessState.STOPPED, ProcessState.BACKOFF, ProcessState.FAILED)


class CreateIn(Body):
    """OpenWA's CreateSessionDto, with our ids as names."""

    name: Annotated[str, StringConstraints(pattern=SESSION_ID_TEXT)]
    config: Annotated[dict[str, object], EmptyList] | None = None
    proxy_url: Annotated[str, StringConstraints(pattern=r"^(https?|socks[45])://[^\s/]+/?$", max_length=255)] | None = (
        Field(default=None, alias="proxyUrl")
    )
    proxy_type: Literal["http", "https", "socks4", "socks5"] | None = Field(default=None, alias="proxyType")


class PairIn(Body):
    """OpenWA's RequestPairingCodeDto."""

    phone_number: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,15}$")] = Field(alias="phoneNumber")


B = TypeVar("B", bound=Body)


class GatewaySessions:
    """`/api/sessions`, and what below a session concerns the session itself."""

    def __init__(
        self,
        requests: SessionRequests,
        finder: SessionFinder,
        forwarding: Forwarding,
        copies: EngineCopies,
        usage: Callable[[SessionId], Usage | None],
        kill: Callable[[SessionId], Awaitable[None]],
    ) -> None:
        self._sessions = finder.sessions
        self._copies = copies
        self._requests = requests
        self._finder = finder
        self._forwarding = forwarding
        self._usage = usage
        self._kill = kill
        self._starting: set[SessionId] = set()

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        record, all_of = {200: (JSON,)}, "/api/sessions"
        unable: dict[int, tuple[Answer, ...]] = {409: (), 501: (), 502: (), 504: ()}
        ended, paired = {**record, 502: ()}, {**unable, 201: (JSON,)}
        return (
            own_route(f"GET {all_of}", Action.ASK_GATEWAY, self.list_all, record),
            own_route(f"POST {all_of}", Action.CREATE_SESSION, self.create, {201: (JSON,), 409: ()}, CreateIn),
            own_route(f"GET {all_of}/stats/overview", Action.ASK_GATEWAY, self.overview, record),
            own_route(f"GET {all_of}/{{id}}", Action.ASK_GATEWAY, self.show, record),
            own_route(f"DELETE {all_of}/{{id}}", Action.DELETE_SESSION, self.delete, {202: (JSON,), 204: (None,)}),
            own_route(f"GET {SESSION_PREFIX}qr", Action.READ_QR, self.show_qr, record),
            own_route(f"POST {SESSION_PREFIX}pairing-code", Action.PAIR_SESSION, self.pair, paired, PairIn),
            own_route(f"POST {SESSION_PREFIX}start", Action.START_SESSION, self.start, record),
            own_route(f"POST {SESSION_PREFIX}stop", Action.STOP_SESSION, self.stop, ended),
            own_route(f"POST {SESSION_PREFIX}logout", Action.LOG_OUT_SESSION, self.log_out, {**record, **unable}),
            own_route(f"POST {SESSION_PREFIX}force-kill", Action.KILL_SESSION, self.kill, ended),
        )

    async def create(self, request: web.Request) -> web.Response:
        """Make a stopped session; its engine is told `config` when it comes up."""
        caller, arguments = caller_of(request), await _read(request, CreateIn)
        name_in_record(request, session_id=SessionId(arguments.name))
        if arguments.proxy_url is not None or arguments.proxy_type is not None:
            require(caller, Action.CONFIGURE_SESSION)
        if not caller.scope.names(SessionId(arguments.name)):
            raise not_found(arguments.name)  # whether there is one or not
        wanted = NewSession(session_id=arguments.name, desired=Desired.STOPPED, proxy_url=arguments.proxy_url)
        session, is_new = await self._requests.create(wanted)
        if not is_new:
            raise GatewayError(409, f"Session with name '{arguments.name}' already exists")
        if arguments.config:
            await self._copies.keep_config(session.session_id, config_of(arguments.config))
        return json_answer(201, session_record(session))

    async def list_all(self, request: web.Request) -> web.StreamResponse:
        """List the caller's sessions, newest first; with `name` only the one of this name."""
        limit = min(_number(request, "limit") or _LIST_MAX, _LIST_MAX)
        offset, name = _number(request, "offset"), request.query.get("name")
        sessions = [each for each in self._sessions_of(request)[::-1] if name in (None, each.session_id)]
        page: Listing[Session] = Listing(
            name=None, encode=lambda session: encoded(session_record(session)), media_type=MEDIA_TYPE
        )
        return await answer_list(request, sessions[offset : offset + limit], page)

    async def overview(self, request: web.Request) -> web.Response:
        """Count the caller's sessions by status."""
        sessions = self._sessions_of(request)
        used = [usage.rss_bytes for session in sessions if (usage := self._usage(session.session_id)) is not None]
        return json_answer(200, sessions_overview(sessions, sum(used)))

    async def show(self, request: web.Request) -> web.Response:
        """Show a session."""
        return json_answer(200, session_record(self._session(request)))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a session; the phone still believes it is linked, as with OpenWA. 202: it takes long, and goes on."""
        left = await self._requests.delete(self._session(request).session_id, keep_data=False, log_out=False)
        return web.Response(status=204) if left is None else json_answer(202, session_record(left))

    async def start(self, request: web.Request) -> web.Response:
        """Start a session and answer once its engine is up; WhatsApp is not waited for."""
        session = self._session(request)
        session_id = session.session_id
        if session_id in self._starting:
            raise GatewayError(400, "Session is already starting")
        if is_loaded(session):
            raise GatewayError(400, "Session is already started")
        self._starting.add(session_id)
        try:
            await self._requests.start(session_id)
            session = await self._sessions.wait(session_id, lambda each: each.process in _SETTLED, _START_WAIT_S)
        finally:
            self._starting.discard(session_id)
        if session.process in (ProcessState.FAILED, ProcessState.BACKOFF):
            raise GatewayError(500, session.reason.detail if session.reason else "the engine did not start")
        return json_answer(200, session_record(session) | {"status": INITIALIZING})

    async def stop(self, request: web.Request) -> web.Response:
        """Stop a session and answer once its engine is dead."""
        session_id = self._session(request).session_id
        await self._requests.stop(session_id)
        return await self._once_stopped(session_id)

    async def log_out(self, request: web.Request) -> web.Response:
        """Unlink the device, then stop the session."""
        session = self._session(request)
        if not is_loaded(session):
            raise not_started()
        try:
            await self._requests.log_out(session.session_id)
        except IllegalTransitionError:
            raise not_connected() from None
        except EngineUnableError as error:
            raise GatewayError(501, str(error)) from error
        except EngineError as error:
            message = f"The logout operation is incomplete — the device may still be linked ({error}). Retry it."
            raise GatewayError(502, message, code="SESSION_LOGOUT_INCOMPLETE") from error
        return await self._once_stopped(session.session_id)

    async def kill(self, request: web.Request) -> web.Response:
        """Kill a session's engine; its credentials stay."""
        session = self._session(request)
        if not is_loaded(session):
            raise not_started()
        await self._kill(session.session_id)
        return await self._once_stopped(session.session_id)

    async def show_qr(self, request: web.Request) -> web.Response:
        """Show the code to scan."""
        session = self._session(request)
        if not is_loaded(session):
            raise not_started()
        status = openwa_status(session)
        image = self._sessions.qr_image(session.session_id)
        if image is not None:
            code = "data:image/png;base64," + base64.b64encode(image).decode("ascii")
            return json_answer(200, {"qrCode": code, "status": status})
        if status == READY:
            raise GatewayError(400, "Session is already authenticated, no QR code needed")
        raise GatewayError(400, "QR code is not ready yet. Please wait...")

    async def pair(self, request: web.Request) -> web.StreamResponse:
        """Have the engine ask WhatsApp for a code to type into the phone."""
        session = self._session(request)
        await _read(request, PairIn)
        if not is_loaded(session):
            raise not_started()
        if openwa_status(session) == READY:
            raise GatewayError(400, "Session is already authenticated, no pairing needed")
        if session.process is not ProcessState.RUNNING:
            raise GatewayError(409, "Cannot request a pairing code before the engine is initialized.")
        return await self._forwarding.forward(request, await read_whole(request))

    def _sessions_of(self, request: web.Request) -> Sequence[Session]:
        scope = caller_of(request).scope
        return [each for each in self._sessions.list_sessions() if scope.names(each.session_id)]

    def _session(self, request: web.Request) -> Session:
        return self._finder.find(request.match_info["id"], caller_of(request))

    async def _once_stopped(self, session_id: SessionId) -> web.Response:
        session = await self._sessions.wait(
            session_id, lambda each: each.process is ProcessState.STOPPED or is_loaded(each), _STOP_WAIT_S
        )
        if session.process is ProcessState.STOPPING and not is_loaded(session):
            raise incomplete(session, "The engine is still being ended", "SESSION_STOP_INCOMPLETE")
        return json_answer(200, session_record(session))


def _number(request: web.Request, name: str) -> int:
    """Return a whole number of the query; 0 when there is none, as OpenWA's parser takes it."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


async def _read(request: web.Request, arguments: type[B]) -> B:
    """Return the body, checked.

    Raises:
        GatewayError: it is not acceptable; said in the words of OpenWA's validation.
    """
    raw = await read_whole(request)
    form = form_of(raw, request.content_type)
    try:
        if form is not None:
            return arguments.model_validate(form)
        return arguments.model_validate_json(foreign_json.make_safe(object_text(raw), max_values=BODY_VALUES_MAX))
    except UnreadableJsonError as error:
        raise GatewayError(400, str(error)) from error
    except ValidationError as error:
        raise unacceptable(error) from error
