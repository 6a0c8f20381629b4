"""Notices that the wall clock was set: for a minute nothing expires then, and nothing timed is sent."""

from openwa_manager.domain.messaging.holds import Until
from openwa_manager.domain.ports import Clock

#: By how much the wall clock must have moved against the boot clock, and how long that holds the queues.
_JUMP_S, _HOLD_S = 300.0, 60.0


class ClockGuard:
    """Compares both clocks whenever somebody asks; one guard serves all queues."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        now = clock.now()
        self._offset_s = now.at - now.boot_s
        self._odd_until_boot_s = float("-inf")

    def odd(self) -> Until | None:
        """Return until when the wall clock is not to be relied on; None: it is."""
        now = self._clock.now()
        offset_s = now.at - now.boot_s
        if abs(offset_s - self._offset_s) > _JUMP_S:
            self._odd_until_boot_s = now.boot_s + _HOLD_S
        self._offset_s = offset_s
        left_s = self._odd_until_boot_s - now.boot_s
        if left_s <= 0:
            return None
        return Until(at=now.at + left_s, detail="the wall clock of this host was set by more than five minutes")
