"""Makes the gateway's routes: those we answer in OpenWA's words, and those the session's OpenWA answers."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from openwa_manager.api.requests import Nothing, RequestModel
from openwa_manager.api.routing import Answer, Route
from openwa_manager.domain.access.actions import Action

SESSION_PREFIX = "/api/sessions/{id}/"
#: Where OpenWA describes its calls.
OPENWA_DOCS = "https://github.com/rmyndharis/OpenWA"

#: What OpenWA reads is its own affair.
ANY_BODY = "*/*"

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FORWARDED = "Answered by the session's OpenWA, as its own documentation says; not every version has it."


def own_route(
    where: str,
    action: Action | None,
    handle: Handle,
    answers: Mapping[int, tuple[Answer, ...]],
    arguments: type[RequestModel] = Nothing,
) -> Route:
    """Return the route at `where` (`GET /api/…`) that we answer; `handle` reads its arguments itself."""
    method, _, path = where.partition(" ")
    return Route(
        method=method,
        path=path,
        action=action,
        handler=handle,
        name=f"gateway_{handle.__name__}",
        summary=(handle.__doc__ or "").partition("\n")[0],
        arguments=arguments,
        answers=answers,
        documented_at=OPENWA_DOCS,
    )


def forwarded_route(where: str, action: Action, forward: Handle) -> Route:
    """Return the route at `where` below a session (`GET chats`) that OpenWA answers; `forward` hands requests on."""

    async def handler(
        request: web.Request,
    ) -> web.StreamResponse:  # one for each route: the authorizer knows a route by it
        return await forward(request)

    method, _, tail = where.partition(" ")
    return Route(
        method=method,
        path=SESSION_PREFIX + tail,
        action=action,
        handler=handler,
        name=f"openwa_{method.lower()}_{_identifier(tail)}",
        summary=_FORWARDED,
        arguments=Nothing,
        answers={},
        takes=() if method == "GET" else (ANY_BODY,),
        documented_at=OPENWA_DOCS,
    )


def _identifier(tail: str) -> str:
    return tail.replace("{", "").replace("}", "").replace("/", "_").replace("-", "_")
