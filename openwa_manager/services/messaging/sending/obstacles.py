"""What stands in the way of a session's messages beside what is on disk: an engine's limits, a full disk."""

from openwa_manager.domain.messaging.holds import QueueFacts, Until
from openwa_manager.domain.messaging.outcomes import EngineLimited, NotConnected, Sent, Verdict
from openwa_manager.domain.messaging.pacing import PacingProfile, SendBreaker
from openwa_manager.domain.ports import Clock, Instant
from openwa_manager.domain.session.session import Session, Status
from openwa_manager.domain.values import dataclass
from openwa_manager.store.messaging.queues import QueueRow

#: How long an engine that says it is not connected, against what we see, is left alone: doubled each time.
_REFUSED_FIRST_S, _REFUSED_MAX_S = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class _Timed:
    """Something that ends at a time of the boot clock."""

    detail: str = ""
    until_boot_s: float = float("-inf")

    def until(self, now: Instant) -> Until | None:
        """Return when it ends by the wall clock; None when it has."""
        left_s = self.until_boot_s - now.boot_s
        return Until(at=now.at + left_s, detail=self.detail) if left_s > 0 else None


class Obstacles:
    """One session's; each ends by itself, or when its cause is gone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refusal_s = 0.0
        self._refused = _Timed()
        self._limited = _Timed()
        self._disk_full = _Timed()
        self._breaker = SendBreaker()

    def note(self, verdict: Verdict, profile: PacingProfile) -> bool:
        """Remember what a send said of the engine; tell whether it has opened the breaker."""
        now_s = self._clock.now().boot_s
        was_open = self._breaker.is_open(now_s)
        match verdict:
            case NotConnected(detail=detail):
                self._refusal_s = min(_REFUSED_MAX_S, max(_REFUSED_FIRST_S, self._refusal_s * 2))
                self._refused = _Timed(detail, now_s + self._refusal_s)
            case EngineLimited(after_s=after_s, detail=detail):
                self._limited = _Timed(detail, now_s + after_s)
            case Sent():
                self._refusal_s = 0.0
                self._breaker = self._breaker.after_success()
            case _:
                self._breaker = self._breaker.after_failure(profile, now_s)
        return self._breaker.is_open(now_s) and not was_open

    def note_full_disk(self, detail: str, for_s: float) -> None:
        """Remember that nothing can be recorded now."""
        self._disk_full = _Timed(detail, self._clock.now().boot_s + for_s)

    def forget_refusal(self) -> None:
        """Forget that the engine was not connected: its status has changed since."""
        self._refused = _Timed()

    def facts(self, row: QueueRow, session: Session | None, odd_clock: Until | None, *, is_linked: bool) -> QueueFacts:
        """Return all that may hold the queue now."""
        now = self._clock.now()
        limit = row.limit
        if limit is not None and limit.until is not None and limit.until <= now.at:
            limit = None
        breaker = _Timed(f"{self._breaker.failures_in_row} sends in a row have failed", self._breaker.open_until_boot_s)
        return QueueFacts(
            status=session.status if session else Status.STOPPED,
            is_linked=is_linked,
            held=row.held,
            is_paused=row.is_paused,
            limit_kind=limit.kind if limit else None,
            limit_until=limit.until if limit else None,
            refused=self._refused.until(now),
            disk_full=self._disk_full.until(now),
            odd_clock=odd_clock,
            engine_limited=self._limited.until(now),
            breaker=breaker.until(now),
        )
