"""Keeps callers to their rates: known ones before anything is done for them, others when they are refused."""

import asyncio
import secrets
from typing import Final

from aiohttp import web

from openwa_manager.api.admission.rights import FindSession, caller_of
from openwa_manager.api.request_keys import CLIENT, LOGIN
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.errors import OpenwaManagerError, RateLimitedError
from openwa_manager.services.access.rate_limits import RateLimits

#: What counts as a start.
STARTING: Final = frozenset({Action.START_SESSION, Action.RESTART_SESSION})

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

    def count(self, caller: Caller) -> None:
        """Count the call of somebody known.

        Raises:
            RateLimitedError: he asks too often.
        """
        self._limits.count_call(caller)

    async def count_failed_login(self, request: web.Request) -> None:
        """Count the key of a request that was refused because nobody known asks; the answer may have to wait.

        Raises:
            RateLimitedError: too many keys that are none came from there.
        """
        if LOGIN not in request:  # whoever sends no key at all only asks whether one is needed
            return
        try:
            self._limits.count_failed_login(request.get(CLIENT))
        except RateLimitedError:
            # Not all for as long: those who wait on many connections would come back all at once.
            await asyncio.sleep(self._hold_s * (0.5 + secrets.randbelow(1000) / 1000))
            raise


class StartLimits:
    """Counts the starts of each session, on either API."""

    def __init__(self, limits: RateLimits, find: FindSession) -> None:
        self._limits = limits
        self._find = find

    def count(self, request: web.Request) -> None:
        """Count a start of a session that there is, and of which the caller may know: the handler refuses others.

        It comes behind the authorizer, for who may not start a session uses up none of its starts.

        Raises:
            RateLimitedError: the session is started too often.
        """
        caller = caller_of(request)
        name = request.match_info.get("session_id") or request.match_info["id"]
        try:
            session = self._find(name, caller)
        except OpenwaManagerError:
            return
        self._limits.count_start(caller, session.session_id)
