"""Compares what a caller may do with what the route needs."""

from collections.abc import Mapping

from aiohttp import web

from openwa_manager.api.admission.rights import caller_of, require
from openwa_manager.api.errors import ForbiddenError
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.roles import OPEN


class Authorizer:
    """Lets a caller reach a route whose action it may do, and everybody one that is open.

    Which routes exist is told to known callers only: a path that is none of ours (`route` None) needs a key, but no
    certain right. What is `withheld` nobody may do, and is told why.
    """

    def __init__(self, route: Route | None, withheld: Mapping[Action, str]) -> None:
        self._action = Action.READ_SESSIONS if route is None else route.action
        self._withheld = None if self._action is None else withheld.get(self._action)
        self._is_page = route is not None and route.answers.get(200) == ("text/html",)

    def require(self, request: web.Request) -> None:
        """Return if the request may go on.

        Raises:
            UnauthenticatedError: a key is needed, and none or a wrong one was given.
            ForbiddenError: the caller lacks a role or a right that is needed, or nobody has it.
        """
        if self._action is not OPEN:
            require(caller_of(request), self._action)
            if self._withheld is not None:
                raise ForbiddenError(self._withheld)
        # What is open tells more only to those with a key. A page has no more to tell: what stands behind its address
        # was put there by whoever sent it on.
        elif request.query_string and not self._is_page:
            caller_of(request)
