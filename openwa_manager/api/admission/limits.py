"""Keeps callers to their rates: known ones before anything is done for them, others when they are refused."""

import asyncio
import secrets
from collections.abc import Iterable
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from openwa_manager.api.admission.rights import FindSession, caller_of
from openwa_manager.api.errors import UnauthenticatedError
from openwa_manager.api.request_keys import CALLER, CLIENT, LOGIN
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.errors import OpenwaManagerError, RateLimitedError
from openwa_manager.services.access.rate_limits import RateLimits

_STARTING: Final = frozenset({Action.START_SESSION, Action.RESTART_SESSION})

#: How long, on average, whoever tries too many keys waits for each answer: he is not to take the time of the others.
HOLD_S: Final = 1.0


class CallLimits:
    """Counts the calls of each key, and the keys that are none.

    A key that is none is looked at like any other before it is counted, so that nobody who sends such keys keeps those
    out who come from the same address with a valid one: behind a tunnel all have the same.
    """

    def __init__(self, limits: RateLimits, hold_s: float = HOLD_S) -> None:
        self._limits = limits
        self._hold_s = hold_s

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on; behind the authenticator.

        Raises:
            RateLimitedError: the caller asks too often, or too many keys that are none came from there.
        """
        caller = request.get(CALLER)
        if caller is not None:
            self._limits.count_call(caller)
            return await handler(request)
        try:
            return await handler(request)
        except UnauthenticatedError:
            if LOGIN in request:  # whoever sends no key at all only asks whether one is needed
                await self._count_failed_login(request)
            raise

    async def _count_failed_login(self, request: web.Request) -> None:
        try:
            self._limits.count_failed_login(request.get(CLIENT))
        except RateLimitedError:
            # Not all for as long: those who wait on many connections would come back all at once.
            await asyncio.sleep(self._hold_s * (0.5 + secrets.randbelow(1000) / 1000))
            raise


class StartLimits:
    """Counts the starts of each session, on either API."""

    def __init__(self, limits: RateLimits, routes: Iterable[Route], find: FindSession) -> None:
        self._limits = limits
        self._starting = {each.handler for each in routes if each.action in _STARTING}
        self._find = find

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass the request on; behind the authorizer, for who may not start a session uses up none of its starts.

        Raises:
            RateLimitedError: the session is started too often.
        """
        if request.match_info.handler in self._starting:
            self._count(request, caller_of(request))
        return await handler(request)

    def _count(self, request: web.Request, caller: Caller) -> None:
        """Count a start of a session that there is, and of which the caller may know: the handler refuses others."""
        name = request.match_info.get("session_id") or request.match_info["id"]
        try:
            session = self._find(name, caller)
        except OpenwaManagerError:
            return
        self._limits.count_start(caller, session.session_id)
