"""Puts single checks of the guard before the routes of a test, as the guard itself does."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from openwa_manager.api.middleware import answer_failure, assign_id

Check = Callable[[web.Request], object]


def checked(*checks: Check) -> Middleware:
    """Return a middleware that runs these, which raise when a request may not go on or return the answer to it."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        for each in checks:
            answer = each(request)
            if isinstance(answer, web.StreamResponse):
                return answer
        return await handler(request)

    return check


@web.middleware
async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and answer what it fails with."""
    assign_id(request)
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 (what cannot be answered is raised again)
        return answer_failure(request, error)
