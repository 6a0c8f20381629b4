"""What many must know of the host: is it offline, since when is it awake; made first, written by the host monitor."""

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.deadlines import MAX_LATE_S

#: How often the host monitor looks at the host.
LOOK_PERIOD_S = 5.0


class HostState:
    """The host as it was when it was looked at last; before that it is online and awake.

    While it is offline no session can be blamed for its link, for the time it slept none can be blamed for anything.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked_boot_s = self._woke_boot_s = clock.now().boot_s
        self.is_offline = False

    def awake_since(self) -> float:
        """Return since when on the boot clock the host has not slept, also if nobody has noticed its sleep yet."""
        now_s = self._clock.now().boot_s
        is_overdue = now_s - self._looked_boot_s > LOOK_PERIOD_S + MAX_LATE_S
        return now_s if is_overdue else self._woke_boot_s

    def note_look(self) -> None:
        """Note that the host is looked at now."""
        self._looked_boot_s = self._clock.now().boot_s

    def note_wake(self) -> None:
        """Note that the host has slept until now."""
        self._looked_boot_s = self._woke_boot_s = self._clock.now().boot_s
