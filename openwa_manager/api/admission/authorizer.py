"""Compares what a caller may do with what the route needs."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.errors import ForbiddenError, UnauthenticatedError
from openwa_manager.api.request_keys import CALLER
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.roles import OPEN, Role


class Authorizer:
    """Lets a caller reach the routes its role includes, and everybody those that are open.

    Which routes exist is told to known callers only: a path that is none of ours needs a key, but no certain role.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._roles = {each.handler: each.role for each in routes}

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on.

        Raises:
            UnauthenticatedError: a key is needed, and none or a wrong one was given.
            ForbiddenError: the caller's role does not include the one needed.
        """
        needed = self._roles.get(request.match_info.handler, Role.VIEWER)
        is_detail = bool(request.query_string)  # what is open tells more only to those with a key
        if needed is not OPEN or is_detail:
            _require(request, needed or Role.VIEWER)
        return await handler(request)


def _require(request: web.Request, needed: Role) -> None:
    caller = request.get(CALLER)
    if caller is None:
        raise UnauthenticatedError("a valid API key is needed: X-API-Key, or Authorization: Bearer")
    if not caller.role.includes(needed):
        raise ForbiddenError(f"this needs the role {needed}; the key has the role {caller.role}")
