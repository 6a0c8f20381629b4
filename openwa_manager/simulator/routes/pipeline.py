"""From request to answer, in the order of OpenWA's pipeline: id, body, route, throttle, key, validation, handler."""

import re
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from uuid import uuid4

from openwa_manager.simulator.http.bodies import read_body
from openwa_manager.simulator.http.errors import HttpError, NoAnswerError, internal_error, refusal
from openwa_manager.simulator.http.throttle import Throttle
from openwa_manager.simulator.http.validation import Field, bad_body, complaints, converted
from openwa_manager.simulator.http.wire import Json, Request, Response, path_segments
from openwa_manager.simulator.log import log
from openwa_manager.simulator.state.database import Database, DatabaseLostError
from openwa_manager.simulator.state.keys import Keys
from openwa_manager.simulator.state.storage import KeyRow

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCall:
    """A request that passed the pipeline, as its handler sees it."""

    request: Request
    params: dict[str, str]
    body: dict[str, Json]
    key: KeyRow | None

    @property
    def session_id(self) -> str:
        """Return the session the path names."""
        return self.params["sessionId"]

    def text(self, name: str) -> str | None:
        """Return a string field of the body."""
        value = self.body.get(name)
        return value if isinstance(value, str) else None

    def is_in_scope(self, session_id: str) -> bool:
        """Tell whether the key may see this session."""
        return self.key is None or not self.key.allowed_sessions or session_id in self.key.allowed_sessions


Handler = Callable[[RouteCall], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One handler and what a request must satisfy to reach it."""

    method: str
    path: str
    handler: Handler
    role: str = "viewer"
    body: tuple[Field, ...] | None = None
    is_open: bool = False
    is_global: bool = False
    takes_uuid: bool = False
    segments: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "segments", tuple(self.path.split("/")[1:]))

    def match(self, method: str, segments: list[str]) -> dict[str, str] | None:
        """Return the path's parameters if the request is for this route."""
        if method != self.method or len(segments) != len(self.segments):
            return None
        params: dict[str, str] = {}
        for wanted, segment in zip(self.segments, segments, strict=True):
            if wanted.startswith(":"):
                params[wanted[1:]] = segment
            elif wanted != segment:
                return None
        return params


class Pipeline:
    """The route table, and what a request passes on its way to a handler."""

    def __init__(
        self, routes: Iterable[Route], keys: Keys, throttle: Throttle, database: Database, *, shows_detail: bool
    ) -> None:
        self._database = database
        self._routes = tuple(routes)
        self._keys = keys
        self._throttle = throttle
        self._shows_detail = shows_detail

    async def answer(self, request: Request) -> Response:
        """Answer a request. Raises: NoAnswerError: the caller shall get none."""
        wanted_id = request.headers.get("x-request-id", "")
        headers = {"X-Request-ID": wanted_id if _REQUEST_ID.fullmatch(wanted_id) else str(uuid4())}
        try:
            response = await self._answer(request, headers)
        except HttpError as error:
            response = error.as_response()
        except DatabaseLostError as error:
            log(str(error), level="ERROR")
            response = internal_error().as_response()
        if response.status >= 500 and request.path != "/api/health/ready":
            log(f"{request.method} {request.path} answered {response.status}", level="ERROR")
        return replace(response, headers=headers | response.headers)

    async def _answer(self, request: Request, headers: dict[str, str]) -> Response:
        sent = read_body(request)
        route, params = self._find(request)
        body = converted(sent, route.body or ())
        key: KeyRow | None = None
        if not route.is_open:
            headers |= self._throttle.admit(f"{route.method} {route.path}")
            key = self._keys.authorize(request, params.get("sessionId"), route.role, is_global=route.is_global)
            if route.segments[1] != "auth":  # keys are in a database of their own
                self._database.require_readable()
        if route.takes_uuid and not _UUID.fullmatch(params["sessionId"]):
            raise refusal(400, "Validation failed (uuid is expected)")
        if route.body is not None:
            faults: list[Json] = [*complaints(body, route.body)]
            if faults:
                raise bad_body(faults, shows_detail=self._shows_detail)
        try:
            return await route.handler(RouteCall(request=request, params=params, body=body, key=key))
        except (HttpError, NoAnswerError):
            raise
        except Exception as error:  # Nest answers 500 to whatever a handler throws
            log("".join(traceback.format_exception(error)), level="ERROR")
            raise internal_error() from error

    def _find(self, request: Request) -> tuple[Route, dict[str, str]]:
        segments = path_segments(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        for route in self._routes:
            params = route.match(method, segments)
            if params is not None:
                return route, params
        raise refusal(404, f"Cannot {request.method} {request.target}")
