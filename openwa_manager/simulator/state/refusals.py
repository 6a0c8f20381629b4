"""Recipients that refuse: at every attempt, at each message's first one, or until their time is over."""

import asyncio
import math
import time

from openwa_manager.simulator.http.errors import UnsentError, internal_error, paced, refusal, throttled, unavailable
from openwa_manager.simulator.release import Release
from openwa_manager.simulator.state.outgoing import Outgoing
from openwa_manager.simulator.state.sessions import Restrictions
from openwa_manager.simulator.whatsapp.numbers import Refusal, treatment_of

THROTTLED_S = 3.0
PACED_S = 5.0
BUSY_S = 2


class Refusals:
    """Refuses for the magic numbers; times begin with the first refusal, and end with the process at the latest."""

    def __init__(self, restrictions: Restrictions, release: Release, restricted_s: float) -> None:
        self._restrictions = restrictions
        self._is_plain = release.says_retry_after
        self._restricted_s = restricted_s
        self._ends: dict[tuple[str, str], float] = {}
        self._refused_once: set[tuple[str, str]] = set()

    def refuse_by_openwa(self, session_id: str, message: Outgoing, key: str | None) -> None:
        """Refuse before anything is typed; do nothing where the recipient takes it. Raises: HttpError."""
        match treatment_of(message.chat_id).refusal:
            case Refusal.THROTTLED:
                if left_s := math.ceil(self._left_s(session_id, message, THROTTLED_S)):
                    raise throttled("short", left_s, is_plain=self._is_plain)
            case Refusal.PACED:
                if left_s := math.ceil(self._left_s(session_id, message, PACED_S)):
                    raise paced(left_s)
            case Refusal.BUSY_ONCE:
                self._refuse_first(session_id, key or message.fingerprint)
            case _:
                return

    def refuse_by_whatsapp(self, session_id: str, message: Outgoing) -> None:
        """Refuse what was typed; do nothing where the recipient takes it. Raises: HttpError."""
        match treatment_of(message.chat_id).refusal:
            case Refusal.BLOCKED:
                raise refusal(400, "Number blocked")
            case Refusal.RESTRICTED:
                self._restrict(session_id, self._left_s(session_id, message, self._restricted_s))
            case Refusal.FAILED:
                raise internal_error()
            case _:
                return

    def _left_s(self, session_id: str, message: Outgoing, lasts_s: float) -> float:
        """Return how long this recipient still refuses; 0 for ever after."""
        now = time.monotonic()
        return max(0.0, self._ends.setdefault((session_id, message.chat_id), now + lasts_s) - now)

    def _restrict(self, session_id: str, left_s: float) -> None:
        """Refuse as WhatsApp's error 463 does, with a restriction of the account that ends by itself."""
        if left_s <= 0:
            return
        if self._restrictions.view(session_id) is None:
            expires_at = self._restrictions.impose(session_id, lasts_s=left_s)
            asyncio.get_running_loop().call_later(left_s, self._restrictions.lift, session_id, expires_at)
        raise UnsentError(500, internal_error().body)

    def _refuse_first(self, session_id: str, message_name: str) -> None:
        """Refuse a message that was not refused before; what comes after it under this name is another message."""
        name = (session_id, message_name)
        if name in self._refused_once:
            self._refused_once.discard(name)
            return
        self._refused_once.add(name)
        raise unavailable("Service Unavailable", retry_after_s=BUSY_S)
