"""When a message that was not sent, or may have been, is asked of its engine again, and when no more.

A message that may have been sent is asked about under the key it was first sent with, and only of the memory that took
that key: an engine of a version that keeps keys, with the same session and the same files. Any other would send it a
second time. That is done without a key only for who wants it so (`RetryPolicy.retry_uncertain`).
"""

import re
from collections.abc import Sequence

from openwa_manager.domain.messaging.outcomes import TryAgain, Uncertain
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMemory:
    """Where an engine keeps which keys it has seen: its version, its own session, its files; None: not known."""

    version: str | None
    inner_id: str | None
    data_id: str | None

    @property
    def keeps_keys(self) -> bool:
        """Tell whether an engine of this version remembers the keys of messages."""
        match = _VERSION.match(self.version or "")
        return match is not None and (int(match[1]), int(match[2])) >= KEYS_SINCE


#: The first OpenWA that keeps them, and for how long one may be used: it forgets them after 24 h.
KEYS_SINCE = (0, 25)
KEY_LIFE_S = 23 * 3600.0
_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.")


def is_same_memory(then: EngineMemory, now: EngineMemory) -> bool:
    """Tell whether an engine asked now remembers what it was told then: then the same key sends nothing twice."""
    if not (then.keeps_keys and now.keeps_keys):
        return False
    is_known = then.inner_id is not None and then.data_id is not None
    return is_known and (then.inner_id, then.data_id) == (now.inner_id, now.data_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """After which pauses a message is asked again, and whether an uncertain one is sent again without a key."""

    pauses_s: Sequence[float] = (5.0, 25.0, 125.0)
    retry_uncertain: bool = False

    def pause_s(self, attempts: int, told_s: float | None) -> float | None:
        """Return the pause after so many attempts, `told_s` if the engine said so; None: that was the last one."""
        if not 1 <= attempts <= len(self.pauses_s):
            return None
        return self.pauses_s[attempts - 1] if told_s is None else told_s


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBefore:
    """What is known of a message whose outcome is uncertain.

    `attempts` that left since, the first of them at wall time `first_at` with a key for `memory` (None: without one).
    """

    attempts: int
    first_at: float
    memory: EngineMemory | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgain:
    """Make the request again at wall time `at`: under the same key, or else as a new message."""

    at: float
    with_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The message is `unknown`; `detail` says why it is not asked about any more."""

    detail: str


def after_uncertain(
    verdict: Uncertain, asked: AskedBefore, memory_now: EngineMemory | None, now: float, policy: RetryPolicy
) -> AskAgain | GivenUp:
    """Return what follows an uncertain attempt that ended at wall time `now`.

    `memory_now` None: no engine can say now, which may change. Right before it asks with a key, the caller compares the
    engine it has by then (`is_same_memory`).
    """
    pause_s = policy.pause_s(asked.attempts, verdict.after_s)
    if pause_s is None:
        return GivenUp(detail=f"asked {asked.attempts} times")
    at = now + pause_s
    if not asked.first_at - KEY_LIFE_S < at < asked.first_at + KEY_LIFE_S:
        return GivenUp(detail="its first attempt is too long ago")
    obstacle = _obstacle(verdict, asked.memory, memory_now)
    if obstacle is None:
        return AskAgain(at=at, with_key=True)
    return AskAgain(at=at, with_key=False) if policy.retry_uncertain else GivenUp(detail=obstacle)


def _obstacle(verdict: Uncertain, then: EngineMemory | None, now: EngineMemory | None) -> str | None:
    """Return why the same key would prove nothing; None when it would."""
    if verdict.is_lasting:
        return verdict.detail
    if then is None or not then.keeps_keys:
        return "the engine that was asked remembers no keys"
    if now is not None and not is_same_memory(then, now):
        return "the engine is not the one that was asked: its version, its session or its data has changed"
    return None


def after_try_again(verdict: TryAgain, attempts: int, now: float, policy: RetryPolicy) -> float | None:
    """Return when a message that was not sent is sent again (wall time); None: it has failed (`engine_busy`)."""
    pause_s = policy.pause_s(attempts, verdict.after_s)
    return None if pause_s is None else now + pause_s
