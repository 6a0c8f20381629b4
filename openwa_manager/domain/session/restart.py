"""Which trouble leads to which restart: the supervisor's policies and what follows each cause."""

from collections.abc import Mapping
from dataclasses import field, replace

from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import After, Restarts
from openwa_manager.domain.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """How often and how soon a crashing engine is started again; all times in seconds."""

    backoff_first_s: float = 1.0
    backoff_max_s: float = 60.0
    backoff_reset_s: float = 600.0
    jitter: float = 0.2
    crash_loop_count: int = 5
    crash_loop_window_s: float = 600.0
    slow_retry_s: float = 1800.0

    @property
    def pause_max_s(self) -> float:
        """Return the longest pause after a crash that is no loop."""
        return self.backoff_max_s * (1 + self.jitter)

    def delay_s(self, streak: int, chance: float) -> float:
        """Return the pause after crash number `streak` in a row (from 1), spread by `chance` in [0, 1)."""
        doublings = min(streak - 1, 63)  # 2.0**1024 would overflow
        pause_s = min(self.backoff_max_s, self.backoff_first_s * 2.0**doublings)
        return pause_s * (1 + self.jitter * (2 * chance - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPolicy:
    """How long each stage of a link may take; all times in seconds."""

    boot_timeout_s: float = 45.0
    initializing_s: float = 90.0
    authenticating_s: float = 120.0
    link_down_s: float = 300.0
    replaced_s: float = 300.0
    pairing_window_s: float = 180.0
    qr_first_s: float = 60.0
    qr_next_s: float = 20.0

    def qr_life_s(self, *, is_first: bool) -> float:
        """Return how long (s) a code lives when the engine does not say; `is_first`: of a series, about six of them."""
        return self.qr_first_s if is_first else self.qr_next_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePolicy:
    """How often an engine is asked, how long it may take, how many misses in a row mean that it hangs; in seconds.

    `silence_s` without any sign of life makes a session `disconnected`, if its engine is of the kind that gives signs.
    """

    period_s: float = 15.0
    timeout_s: float = 5.0
    misses: int = 4
    silence_s: float = 120.0

    @property
    def inspection_s(self) -> float:
        """Return how often an engine's files are looked at: with every fourth probe, a little early."""
        return self.period_s * 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflinePolicy:
    """When lost links are the host's fault: `sessions` of them lost their link within `window_s` seconds."""

    sessions: int = 3
    window_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything a decision depends on besides the session and what happened to it."""

    restart: RestartPolicy = field(default_factory=RestartPolicy)
    link: LinkPolicy = field(default_factory=LinkPolicy)


#: Cause of an end -> what follows; BACK_OFF counts as a crash. Causes that are not here never end an engine.
AFTER: Mapping[ReasonCode, After] = {
    ReasonCode.ENGINE_EXITED: After.BACK_OFF,
    ReasonCode.ENGINE_UNRESPONSIVE: After.BACK_OFF,
    ReasonCode.BOOT_TIMEOUT: After.BACK_OFF,
    ReasonCode.PORT_IN_USE: After.BACK_OFF,
    ReasonCode.HOST_LIMIT: After.BACK_OFF,
    ReasonCode.INTERNAL_ERROR: After.FAIL,
    ReasonCode.LAUNCH_FAILED: After.FAIL,
    ReasonCode.OWNED_ELSEWHERE: After.FAIL,
    ReasonCode.ENGINE_DATA_LOST: After.FAIL,
    ReasonCode.QR_NOT_PRODUCED: After.START_AGAIN,
    ReasonCode.LINK_TIMEOUT: After.START_AGAIN,
    ReasonCode.MEMORY_LIMIT: After.START_AGAIN,
    ReasonCode.CREDENTIALS_RESTORED: After.START_AGAIN,
    ReasonCode.NETWORK: After.START_AGAIN,
    ReasonCode.REPLACED: After.START_AGAIN,
    ReasonCode.REQUESTED: After.STAY_STOPPED,
    ReasonCode.QR_EXPIRED: After.STAY_STOPPED,
    ReasonCode.BANNED: After.STAY_STOPPED,
    ReasonCode.LOGGED_OUT: After.STAY_STOPPED,
    ReasonCode.WRONG_NUMBER: After.STAY_STOPPED,
}


#: Failures after which only a person can go on: another try would do harm.
NOT_RETRIED = frozenset({ReasonCode.ENGINE_DATA_LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashDecision:
    """What a crash leads to: wait `delay_s`, or give up for now (`gave_up`) and try again after `delay_s`."""

    restarts: Restarts
    delay_s: float
    gave_up: bool


def after_crash(
    restarts: Restarts, cause: ReasonCode, at: float, chance: float, policy: RestartPolicy
) -> CrashDecision:
    """Return what follows a crash at wall time `at`: a longer pause each time, the slow retry once it loops.

    A first crash after a failure of another kind is no loop: it gets the short pause.
    """
    recent = tuple(t for t in restarts.crashed_at if 0 <= at - t < policy.crash_loop_window_s)
    recent = (*recent, at)[-policy.crash_loop_count :]
    gave_up = (restarts.is_slow and restarts.streak > 0) or len(recent) >= policy.crash_loop_count
    streak = restarts.streak + 1
    delay_s = policy.slow_retry_s if gave_up else policy.delay_s(streak, chance)
    restarts = replace(
        restarts, streak=streak, crashed_at=recent, last_reason=cause, next_at=at + delay_s, is_slow=gave_up
    )
    return CrashDecision(restarts=restarts, delay_s=delay_s, gave_up=gave_up)
