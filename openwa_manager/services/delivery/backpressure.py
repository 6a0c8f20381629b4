"""Whether there is room for more undelivered events, asked for every event that comes in."""

from openwa_manager.domain.ports import Clock
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.backlog import read_backlog

#: How long an answer holds; a second's worth of events does not matter at the cap.
_HOLDS_S = 1.0


class Backpressure:
    """Reads the backlog once a second at most, however often it is asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._is_full = False
        self._good_until_boot_s = 0.0

    async def is_full(self) -> bool:
        """Tell whether what can be posted again later should be."""
        now_boot_s = self._clock.now().boot_s
        if now_boot_s >= self._good_until_boot_s:
            self._good_until_boot_s = now_boot_s + _HOLDS_S  # first of all: those who ask meanwhile need not read, too
            self._is_full = (await self._database.read(read_backlog)).is_full()
        return self._is_full
