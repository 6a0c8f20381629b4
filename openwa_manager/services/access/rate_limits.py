"""Keeps callers to their rates: calls of each key, starts of each session, keys that are none from each client."""

import math
from typing import Final

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.buckets import CALLS, FAILED_LOGINS, STARTS, Buckets, Rate
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.errors import RateLimitedError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId

#: More than there can be keys, so that none gets a full bucket because of the others.
_KEYS_MAX: Final = 2_000
#: More than a host has sessions.
_SESSIONS_MAX: Final = 10_000
#: How many clients are told apart: together they take up 2 MB.
_CLIENTS_MAX: Final = 10_000


class RateLimits:
    """Counts what callers do, and refuses what is too much. Who needs no key is not counted.

    `default` is the rate of keys that have none of their own; None switches all limits off.
    """

    def __init__(self, clock: Clock, default: Rate | None = CALLS) -> None:
        self._clock = clock
        self._default = default
        self._calls = Buckets(_KEYS_MAX)
        self._starts = Buckets(_SESSIONS_MAX)
        self._failed_logins = Buckets(_CLIENTS_MAX)

    def count_call(self, caller: Caller) -> None:
        """Count a call.

        Raises:
            RateLimitedError: it is one too many.
        """
        if self._default is None or caller.key_id is None:
            return
        rate = self._default.or_own(caller.rate_per_s, caller.rate_burst)
        wait_s = self._calls.take(caller.key_id, rate, self._now_s())
        if wait_s:
            raise _refusal(f"this key may make {rate.per_s:g} calls a second, {rate.burst:g} at once", wait_s)

    def count_start(self, caller: Caller, session_id: SessionId) -> None:
        """Count a start or restart of a session, whoever asks for it.

        Raises:
            RateLimitedError: it is one too many.
        """
        if self._default is None or caller.key_id is None:
            return
        wait_s = self._starts.take(session_id, STARTS, self._now_s())
        if wait_s:
            raise _refusal("a session may be started and restarted 3 times in 30 s", wait_s)

    def count_failed_login(self, client: ClientAddress | None) -> None:
        """Count a key that is none; `client` None: it came through the unix socket, by a proxy.

        Raises:
            RateLimitedError: it is one too many. A valid key is still let in from there.
        """
        if self._default is None:
            return
        wait_s = self._failed_logins.take(client.group if client else "", FAILED_LOGINS, self._now_s())
        if wait_s:
            raise _refusal("too many keys that are none came from there", wait_s)

    def _now_s(self) -> float:
        return self._clock.now().boot_s


def _refusal(why: str, wait_s: float) -> RateLimitedError:
    return RateLimitedError(why, max(1, math.ceil(wait_s)))
