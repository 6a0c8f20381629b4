"""Defines a route: its path, the role it needs, what it takes and answers; the router and /openapi.json read it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import cache
from typing import Generic, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import MultiDict, MultiMapping
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from openwa_manager.api.access.records import begin_record
from openwa_manager.api.admission.body_terms import defer_expectation
from openwa_manager.api.admission.rights import caller_of, session_id_in
from openwa_manager.api.deadline import receiving
from openwa_manager.api.errors import (
    BadRequestError,
    SlowRequestError,
    TooLargeError,
    UnsupportedMediaTypeError,
)
from openwa_manager.api.requests import PATTERN_WORDS, WAITS_FOR_SESSIONS, Body, Query, RequestModel, object_text
from openwa_manager.domain import foreign_json
from openwa_manager.domain.access.actions import NEEDS, Action, Recorded
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

G = TypeVar("G", bound=RequestModel)
B = TypeVar("B", bound=Body)

#: More values than any body of ours has; they are read in 3 ms.
BODY_VALUES_MAX = 5_000
#: A model means JSON of that shape, a string another media type, None no body.
Answer = type[BaseModel] | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[G]):
    """One request, with its body or query parameters checked."""

    request: web.Request
    arguments: G

    @property
    def session_id(self) -> SessionId:
        """Return the session the path names; whether there is one is not asked.

        Raises:
            SessionNotFoundError: no session can have that id, or the caller may not know of it.
        """
        return session_id_in(self.request)

    @property
    def caller(self) -> Caller:
        """Return who asks.

        Raises:
            UnauthenticatedError: nobody knows, as it may be at a route that needs no key.
        """
        return caller_of(self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the API.

    `method` is `*` for any. `action` says what it is that is asked for, and so which rights are needed; None (`OPEN`)
    means that no key is. `reads_first`: it tells the audit itself that a request is accepted, once its body or query is
    read. `answers` lists the successes and the statuses that belong to this call alone; none: that is up to OpenWA.
    `takes` are the kinds of body that `handler` reads itself. `documented_at` is the address where the call is
    described; None means here. `at_once` is what `handler` does where it never waits: nothing can happen meanwhile.
    """

    method: str
    path: str
    action: Action | None
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    name: str
    summary: str
    arguments: type[RequestModel]
    answers: Mapping[int, tuple[Answer, ...]]
    takes: tuple[Answer, ...] = ()
    documented_at: str | None = None
    reads_first: bool = False
    at_once: Callable[[web.Request], web.StreamResponse] | None = None

    @property
    def role(self) -> Role | None:
        """Return the role that is needed at least; None: no key is."""
        return None if self.action is None else NEEDS[self.action].role

    @property
    def may_take_long(self) -> bool:
        """Tell whether the route has limits of its own: it waits for a session, reads a lot, or an engine answers."""
        is_long = self.arguments in WAITS_FOR_SESSIONS or self.arguments.reads_much
        return is_long or self.documented_at is not None


def route(
    where: str,
    action: Action | None,
    handle: Callable[[Call[G]], Awaitable[web.StreamResponse]],
    arguments: type[G],
    answers: Mapping[int, tuple[Answer, ...]],
) -> Route:
    """Return the route at `where` (`GET /v1/…`); `handle` gets the body or query parameters, checked."""

    async def handler(request: web.Request) -> web.StreamResponse:
        read = await _read(request, arguments)
        await begin_record(request)
        return await handle(Call(request=request, arguments=read))

    return replace(_described(where, action, handle, arguments, answers), handler=handler, reads_first=True)


def prompt_route(
    where: str,
    action: Action,
    handle: Callable[[Call[G]], web.StreamResponse],
    arguments: type[G],
    answers: Mapping[int, tuple[Answer, ...]],
) -> Route:
    """Return the route at `where` that answers at once from what is in memory; its action is none the audit tells of.

    Raises:
        ValueError: the audit tells of it.
    """
    if NEEDS[action].recorded is not Recorded.NEVER:
        raise ValueError(f"{where}: {action} is told to the audit, for which it has to wait")

    def answer(request: web.Request) -> web.StreamResponse:
        return handle(Call(request=request, arguments=_read_query(request, arguments)))

    async def handler(request: web.Request) -> web.StreamResponse:
        return answer(request)

    return replace(_described(where, action, handle, arguments, answers), handler=handler, at_once=answer)


def unread_route(
    where: str,
    action: Action | None,
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
    arguments: type[RequestModel],
    answers: Mapping[int, tuple[Answer, ...]],
) -> Route:
    """Return the route at `where`; `handle` reads the body itself, which has the form of `arguments`."""
    return replace(_described(where, action, handle, arguments, answers), handler=handle)


def _described(
    where: str,
    action: Action | None,
    handle: Callable[..., Awaitable[web.StreamResponse]] | Callable[..., web.StreamResponse],
    arguments: type[RequestModel],
    answers: Mapping[int, tuple[Answer, ...]],
) -> Route:
    """Return a route as its function is called and described; its handler is yet to be set."""
    method, _, path = where.partition(" ")
    noun = handle.__module__.rpartition(".")[2]
    return Route(
        method=method,
        path=path,
        action=action,
        handler=_no_handler,
        name=f"{noun}_{handle.__name__}",
        summary=(handle.__doc__ or "").partition("\n")[0],
        arguments=arguments,
        answers=answers,
    )


async def _no_handler(request: web.Request) -> web.StreamResponse:  # pragma: no cover (it is replaced)
    raise NotImplementedError(request.path)


class Unmatched(web.DynamicResource):
    """Takes every path and method that no other resource of the router takes; add it last.

    aiohttp would refuse them itself, and would before that answer an `Expect` header as it sees fit. `refuse` is what
    answers; None: `refuse_unmatched`.
    """

    def __init__(self, router: web.UrlDispatcher, refuse: Handler | None = None) -> None:
        super().__init__("/{rest:.*}")
        self._router = router
        self._refusing = self.add_route("*", refuse or refuse_unmatched, expect_handler=defer_expectation)

    async def resolve(self, request: web.Request) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        """Return the refusal: 405 with the methods that others allow at this path, or 404."""
        return await self.match(request), set()

    async def match(self, request: web.Request) -> web.UrlMappingMatchInfo:
        """Return the refusal; also of a target that is no path: `*`, or the authority that CONNECT names."""
        found, _ = await super().resolve(request)
        match = found or web.UrlMappingMatchInfo({"rest": request.path}, self._refusing)
        allowed: set[str] = set()
        for other in self._router.resources():
            if other is not self:
                allowed |= (await other.resolve(request))[1]
        match["allowed"] = ",".join(sorted(allowed))
        return match


async def refuse_unmatched(request: web.Request) -> web.StreamResponse:
    """Refuse what no route of ours takes.

    Raises:
        HTTPMethodNotAllowed: another method is taken at this path.
        HTTPNotFound: none is.
    """
    allowed = request.match_info["allowed"]
    raise web.HTTPMethodNotAllowed(request.method, allowed.split(",")) if allowed else web.HTTPNotFound


#: How long a body may take, so that one that never ends does not stay with us for ever.
BODY_WITHIN_S = 30.0


async def read_whole(request: web.Request, within_s: float = BODY_WITHIN_S) -> bytes:
    """Return the request's body.

    Raises:
        SlowRequestError: it was not whole in time.
    """
    if request.content.is_eof():  # it came with the head, as small ones do
        return await request.read()
    return await _within(request, request.read(), within_s)


async def read_up_to(request: web.Request, max_bytes: int) -> bytes:
    """Return the request's body, which may be larger than what the application takes elsewhere.

    Raises:
        TooLargeError: it has more bytes.
        SlowRequestError: it was not whole in time.
    """
    if (request.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    return await _within(request, _read_up_to(request, max_bytes), BODY_WITHIN_S)


async def _within(request: web.Request, reading: Coroutine[None, None, bytes], within_s: float) -> bytes:
    try:
        with receiving(request):
            async with asyncio.timeout(within_s):
                return await reading
    except TimeoutError as error:
        raise SlowRequestError(f"the body was not whole within {within_s:g} s") from error


async def _read_up_to(request: web.Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"the body has more than {max_bytes} bytes")


def json_answer(model: BaseModel, status: int = 200) -> web.Response:
    """Return a model as the JSON answer."""
    return web.Response(status=status, body=json_of(model), content_type="application/json")


def json_of(model: BaseModel) -> bytes:
    """Return a model as JSON."""
    return model.model_dump_json().encode()


async def _read(request: web.Request, arguments: type[G]) -> G:
    if issubclass(arguments, Body):
        return await _read_body(request, arguments)
    return _read_query(request, arguments)


def _read_query(request: web.Request, arguments: type[G]) -> G:
    return _query_of(request.query, arguments) if request.query_string else _no_query(arguments)


@cache
def _no_query(arguments: type[G]) -> G:
    """Return what no query at all gives; the models cannot be changed, so one is enough."""
    return _query_of(MultiDict(), arguments)


def _query_of(query: MultiMapping[str], arguments: type[G]) -> G:
    repeated = arguments.repeated if issubclass(arguments, Query) else frozenset()
    values: dict[str, str | list[str]] = {}
    for name in query:
        found = query.getall(name)
        values[name] = found if name in repeated or len(found) > 1 else found[0]
    try:
        return arguments.model_validate(values)
    except ValidationError as error:
        raise refusal_of(error) from error


def require_json(request: web.Request) -> None:
    """Accept a request whose body, if it has one, is said to be JSON.

    Raises:
        UnsupportedMediaTypeError: it is not.
    """
    if request.body_exists and request.content_type != "application/json":
        raise UnsupportedMediaTypeError("the body must be JSON: Content-Type: application/json")


async def _read_body(request: web.Request, arguments: type[B]) -> B:
    require_json(request)
    raw = await read_up_to(request, arguments.max_bytes)
    try:
        return arguments.model_validate_json(foreign_json.make_safe(object_text(raw), max_values=BODY_VALUES_MAX))
    except ValidationError as error:
        raise refusal_of(error) from error


def refusal_of(error: ValidationError, prefix: str = "") -> BadRequestError | InvalidInputError:
    """Return the refusal of what does not fit its model; `prefix` is where in the body that stands."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return BadRequestError(f"the body is not JSON: {first['msg']}")
    loc = (str(each) for each in first["loc"] if each != _UNION_TAG)
    field = (prefix + ".".join(loc)).rstrip(".") or "body"
    return InvalidInputError(field[:100], _complaint_of(first))


#: How pydantic names one of the types that a value may have; it is no part of the body.
_UNION_TAG = "constrained-str"
#: What is said instead of pydantic's own words, which are for programmers.
_COMPLAINTS = {
    "extra_forbidden": "is not known here",
    "missing": "is missing",
    "too_short": "must have at least {min_length}",
    "too_long": "must have at most {max_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "timezone_aware": "must have a time zone, as in 2026-11-22T07:00:00Z",
}


def _complaint_of(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    kind = details["type"]
    if kind == "string_pattern_mismatch":
        return PATTERN_WORDS.get(context["pattern"], f"must fit the pattern {context['pattern']}")
    if kind.startswith("datetime_"):
        return "must be a time, as in 2026-11-22T07:00:00Z"
    if kind in _COMPLAINTS:
        return _COMPLAINTS[kind].format_map(context)
    return details["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
