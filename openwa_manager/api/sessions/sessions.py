"""Makes, lists, starts, stops, changes and deletes sessions."""

import asyncio
import base64
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice

from aiohttp import web

from openwa_manager.api.access.records import name_in_record, record_shown_code
from openwa_manager.api.admission.rights import require, require_session
from openwa_manager.api.lists.pages import Listing, answer_list
from openwa_manager.api.lists.tags import answer_tagged, is_known, not_modified, tag_of
from openwa_manager.api.requests import (
    DeleteQuery,
    ListQuery,
    Nothing,
    SessionChange,
    SessionIn,
    StopAllIn,
    WaitQuery,
)
from openwa_manager.api.routing import Call, Route, json_answer, prompt_route, route
from openwa_manager.api.sessions.cursor import SessionPosition
from openwa_manager.api.sessions.kept_json import KeptJson, SessionJson
from openwa_manager.api.sessions.qr import may_show_code
from openwa_manager.api.sessions.responses import NewSessionOut, SessionOut, SessionPage, SessionsOut
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.builds.builds import BuildName
from openwa_manager.domain.errors import InvalidInputError, SessionNotFoundError
from openwa_manager.domain.ports import Engine
from openwa_manager.domain.session.session import Desired, ProcessState, Session, SessionId, Status, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.registry import OPENWA
from openwa_manager.services.builds.catalog import BuildCatalog
from openwa_manager.services.messaging.people.user_sessions import UserSessions
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.new_session import NewSession
from openwa_manager.services.sessions.requests import LAUNCH_WITHIN_S, SessionRequests

_WAIT_DEFAULT_S = 30.0
#: Fields of a request to create that describe the session and are compared when it exists already.
_SPEC_FIELDS = ("user_id", "engine", "labels", "env", "proxy_url", "memory_limit_bytes")
#: Fields that say what an engine is told, and whom it speaks through.
_CONFIGURING = frozenset({"env", "proxy_url"})
#: A start is still under way in these.
_UNSETTLED = frozenset({Status.CREATING, Status.RESTARTING, Status.STOPPING})
#: No connection comes from these by itself.
_NOT_CONNECTING = frozenset({Status.STOPPED, Status.FAILED, Status.BANNED, Status.LOGGED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipes:
    """The engines there are, and which one serves new sessions; `builds` are those that can be pinned."""

    engines: Mapping[str, Engine]
    default: str
    builds: BuildCatalog | None = None

    def check_env(self, engine: str, env: Mapping[str, str]) -> None:
        """Accept the variables a session adds for its engine.

        Raises:
            InvalidInputError: there is no such engine, or a variable is not the session's to set.
        """
        if engine not in self.engines:
            raise InvalidInputError("engine", f"is none of {', '.join(sorted(self.engines))}")
        refused = sorted(name for name in env if not self.engines[engine].accepts_env(name))
        if refused:
            raise InvalidInputError(
                f"env.{refused[0]}", f"may not be set for a session with the engine {engine}; see `engine_env`"
            )

    @contextmanager
    def pinning(self, engine: str, build: str | None) -> Iterator[None]:
        """Keep the build there that a session pins (None: none) while that is recorded.

        Raises:
            InvalidInputError: the session's engine has no builds, or there is none of this name that is ready.
        """
        if build is None:
            yield
            return
        if engine != OPENWA:
            raise InvalidInputError("build", f"the engine {engine} has no builds")
        if self.builds is None or not self.builds.is_usable(build):
            raise InvalidInputError("build", f"there is no build {build} that is ready; GET /v1/builds lists them")
        with self.builds.chosen(BuildName(build)):
            yield


class SessionRoutes:
    """`/v1/sessions…`, without the parts of a session that have a module of their own."""

    def __init__(
        self,
        sessions: SessionDirectory,
        requests: SessionRequests,
        recipes: Recipes,
        usage: Callable[[SessionId], Usage | None],
        users: UserSessions,
    ) -> None:
        self._sessions = sessions
        self._requests = requests
        self._recipes = recipes
        self._json = SessionJson(sessions, usage)
        self._usage = usage
        self._users = users

    def table(self) -> tuple[Route, ...]:
        """Return the routes."""
        one, started = "/v1/sessions/{session_id}", {202: (SessionOut,), 409: (), 507: ()}
        return (
            route(
                "POST /v1/sessions",
                Action.CREATE_SESSION,
                self.create,
                SessionIn,
                {201: (NewSessionOut,), 200: (NewSessionOut,), 409: ()},
            ),
            route("GET /v1/sessions", Action.READ_SESSIONS, self.list_some, ListQuery, {200: (SessionPage,), 304: ()}),
            route("POST /v1/sessions/stop", Action.STOP_SESSION, self.stop_all, StopAllIn, {202: (SessionsOut,)}),
            prompt_route(f"GET {one}", Action.READ_SESSIONS, self.show, Nothing, {200: (SessionOut,), 304: ()}),
            route(f"PATCH {one}", Action.CHANGE_SESSION, self.change, SessionChange, {200: (SessionOut,), 507: ()}),
            route(f"DELETE {one}", Action.DELETE_SESSION, self.delete, DeleteQuery, {204: (None,), 202: (SessionOut,)}),
            route(f"POST {one}/start", Action.START_SESSION, self.start, WaitQuery, started),
            route(f"POST {one}/stop", Action.STOP_SESSION, self.stop, WaitQuery, started),
            route(f"POST {one}/restart", Action.RESTART_SESSION, self.restart, WaitQuery, started),
            route(
                f"POST {one}/logout",
                Action.LOG_OUT_SESSION,
                self.log_out,
                Nothing,
                {202: (SessionOut,), 409: (), 502: ()},
            ),
        )

    async def create(self, call: Call[SessionIn]) -> web.Response:
        """Make a session; one that exists already and agrees is returned as it is."""
        arguments = call.arguments
        await self._require_rights(call.caller, arguments)
        self._recipes.check_env(arguments.engine or self._recipes.default, arguments.env or {})
        timeout_s = _WAIT_DEFAULT_S if arguments.timeout_s is None else arguments.timeout_s
        clock_s = asyncio.get_running_loop().time
        due_s = clock_s() + timeout_s
        wanted = _new_session(arguments)
        name_in_record(call.request, session_id=SessionId(wanted.session_id))
        session, is_new = await self._requests.create(wanted, min(LAUNCH_WITHIN_S, timeout_s))
        outcome = self._outcome_of(arguments)
        if outcome is not None:
            session = await self._sessions.wait(session.session_id, outcome, max(0.0, due_s - clock_s()))
        image = self._sessions.qr_image(session.session_id) if call.caller.has_qr else None
        if image is not None:
            await record_shown_code(call.request, session.session_id)
        answer = NewSessionOut(
            **dict(self._out(session)), qr_base64=base64.b64encode(image).decode("ascii") if image else None
        )
        return json_answer(answer, 201 if is_new else 200)

    async def _require_rights(self, caller: Caller, wanted: SessionIn) -> None:
        """Return if the caller may make this session; of others it is not asked whether there are any.

        Raises:
            ForbiddenError: he may not say what engines are told, or whom they speak through.
            InvalidInputError: he is limited to certain sessions, and names none.
            SessionNotFoundError: it is none of those.
            UserNotFoundError: it is for a user of whose sessions he may not know.
        """
        if wanted.env or wanted.proxy_url:
            require(caller, Action.CONFIGURE_SESSION)
        if caller.scope.is_unlimited:
            return
        if wanted.session_id is None:
            raise InvalidInputError("session_id", "must be named by a key that is limited to certain sessions")
        session_id = SessionId(wanted.session_id)
        require_session(caller, session_id)
        if wanted.user_id is not None:
            await self._users.require_joinable(wanted.user_id, session_id, self._user_of(session_id), caller.scope)

    def _user_of(self, session_id: SessionId) -> str | None:
        """Return whose a session is; None where it is nobody's, or there is none."""
        with suppress(SessionNotFoundError):
            return self._sessions.get(session_id).spec.user_id
        return None

    def _outcome_of(self, arguments: SessionIn) -> Callable[[Session], bool] | None:
        match arguments.wait_for:
            case "qr":
                return lambda session: (
                    self._sessions.qr_image(session.session_id) is not None or not may_show_code(session)
                )
            case "connected":
                return lambda session: session.status is Status.CONNECTED or session.status in _NOT_CONNECTING
            case _:
                return None

    async def list_some(self, call: Call[ListQuery]) -> web.StreamResponse:
        """List the sessions that match, oldest first."""
        found = await self._json.of_all(self._found(call))
        shown, limit = found[: call.arguments.limit], call.arguments.limit
        tag = tag_of((b"more" if len(found) > limit else b"all", *(kept.tag.encode() for kept in shown)))
        if is_known(call.request, tag):
            return not_modified(tag)
        page: Listing[KeptJson] = Listing(
            name="sessions",
            encode=lambda kept: kept.body,
            ending=lambda last, has_more: {
                "next_cursor": SessionPosition.of(last.session).cursor() if last and has_more else None
            },
            limit=limit,
            tag=tag,
        )
        return await answer_list(call.request, found, page)

    def _found(self, call: Call[ListQuery]) -> Iterable[Session]:
        """Return the sessions that match, oldest first: as many as are wanted, and one more if there is one."""
        wanted = call.arguments
        found: Iterable[Session] = self._sessions.list_sessions(call.caller.scope)
        if wanted.cursor is not None:
            after = SessionPosition.parse(wanted.cursor)
            found = (session for session in found if SessionPosition.of(session) > after)
        if wanted.status or wanted.user_id is not None or wanted.label:
            found = (session for session in found if _matches(session, wanted))
        return islice(found, wanted.limit + 1)

    def show(self, call: Call[Nothing]) -> web.Response:
        """Show a session."""
        kept = self._json.of(self._sessions.get(call.session_id))
        return answer_tagged(call.request, kept.body, kept.tag)

    async def change(self, call: Call[SessionChange]) -> web.Response:
        """Change what is given; it takes effect at the next launch."""
        if _CONFIGURING & call.arguments.model_fields_set:
            require(call.caller, Action.CONFIGURE_SESSION)
        if "build" in call.arguments.model_fields_set:
            require(call.caller, Action.USE_BUILD)
        changes = {name: getattr(call.arguments, name) for name in call.arguments.model_fields_set}
        if "env" in changes:
            self._recipes.check_env(self._sessions.get(call.session_id).spec.engine, changes["env"])
        engine = self._sessions.get(call.session_id).spec.engine
        with self._recipes.pinning(engine, changes.get("build")):
            changed = await self._requests.change(call.session_id, lambda spec: replace(spec, **changes))
        return json_answer(self._out(changed))

    async def delete(self, call: Call[DeleteQuery]) -> web.Response:
        """Delete a session; the answer comes once its engine is proven dead and its directory is gone.

        After half a minute it is 202 with the session, whose reason says what is in the way; the deletion goes on.
        """
        wanted = call.arguments
        left = await self._requests.delete(call.session_id, keep_data=wanted.keep_data, log_out=wanted.logout)
        return web.Response(status=204) if left is None else json_answer(self._out(left), 202)

    async def start(self, call: Call[WaitQuery]) -> web.Response:
        """Start a session; with `wait` the answer comes once it shows a code, has a link, or has failed."""
        return await self._awaited(call, await self._requests.start(call.session_id), _is_started)

    async def stop(self, call: Call[WaitQuery]) -> web.Response:
        """Stop a session; with `wait` the answer comes once its engine is proven dead."""
        return await self._awaited(call, await self._requests.stop(call.session_id), _is_stopped)

    async def restart(self, call: Call[WaitQuery]) -> web.Response:
        """Restart a session; with `wait` the answer comes once it shows a code, has a link, or has failed."""
        return await self._awaited(call, await self._requests.restart(call.session_id), _is_started)

    async def log_out(self, call: Call[Nothing]) -> web.Response:
        """Unlink the device and wipe its credentials."""
        return json_answer(self._out(await self._requests.log_out(call.session_id)), 202)

    async def stop_all(self, call: Call[StopAllIn]) -> web.StreamResponse:
        """Stop every session; with `until_start` those that were to run do so again when the daemon next starts."""
        scope = call.caller.scope
        await self._requests.stop_all(scope, until_start=call.arguments.until_start)
        whole: Listing[Session] = Listing(
            name="sessions", encode=lambda session: self._json.of(session).body, max_bytes=None
        )
        return await answer_list(call.request, self._sessions.list_sessions(scope), whole, 202)

    async def _awaited(
        self, call: Call[WaitQuery], session: Session, is_settled: Callable[[Session], bool]
    ) -> web.Response:
        if call.arguments.wait:
            session = await self._sessions.wait(session.session_id, is_settled, call.arguments.wait)
        return json_answer(self._out(session), 202)

    def _out(self, session: Session) -> SessionOut:
        return SessionOut.of(session, self._usage(session.session_id))


def _new_session(arguments: SessionIn) -> NewSession:
    return NewSession(
        session_id=arguments.session_id or str(uuid.uuid4()),
        engine=arguments.engine,
        desired=arguments.desired or Desired.RUNNING,
        user_id=arguments.user_id,
        labels=arguments.labels or {},
        env=arguments.env or {},
        proxy_url=arguments.proxy_url,
        memory_limit_bytes=arguments.memory_limit_bytes,
        given=frozenset(name for name in _SPEC_FIELDS if getattr(arguments, name) is not None),
    )


def _matches(session: Session, wanted: ListQuery) -> bool:
    if wanted.status and session.status not in wanted.status:
        return False
    if wanted.user_id is not None and session.spec.user_id != wanted.user_id:
        return False
    labels = (label.partition(":") for label in wanted.label)
    return all(session.spec.labels.get(name) == value for name, _, value in labels)


def _is_started(session: Session) -> bool:
    return session.status not in _UNSETTLED


def _is_stopped(session: Session) -> bool:
    return session.process is ProcessState.STOPPED
