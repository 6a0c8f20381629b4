"""Compares what a caller may do with what the route needs."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.rights import caller_of, require
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.roles import OPEN


class Authorizer:
    """Lets a caller reach the routes whose action it may do, and everybody those that are open.

    Which routes exist is told to known callers only: a path that is none of ours needs a key, but no certain right.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        table = tuple(routes)
        self._actions = {each.handler: each.action for each in table}
        self._pages = {each.handler for each in table if each.answers.get(200) == ("text/html",)}

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on.

        Raises:
            UnauthenticatedError: a key is needed, and none or a wrong one was given.
            ForbiddenError: the caller lacks a role or a right that is needed.
        """
        action = self._actions.get(request.match_info.handler, Action.READ_SESSIONS)
        # What is open tells more only to those with a key. A page has no more to tell: what stands behind its address
        # was put there by whoever sent it on.
        is_detail = bool(request.query_string) and request.match_info.handler not in self._pages
        if action is not OPEN:
            require(caller_of(request), action)
        elif is_detail:
            caller_of(request)
        return await handler(request)
