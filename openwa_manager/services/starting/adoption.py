"""How far the daemon is, after its start, with taking up the sessions it knows."""

import asyncio

from openwa_manager.domain.ports import Clock


class Adoption:
    """Counts the sessions that are taken up; over once all of those known at the start are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_boot_s = clock.now().boot_s
        self._is_over = asyncio.Event()
        self.adopted_count = 0
        self.seconds: float | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether every session has been taken up."""
        return self._is_over.is_set()

    def begin(self) -> None:
        """Start to count and to measure."""
        self._began_boot_s = self._clock.now().boot_s

    def count(self) -> None:
        """Note that one more session is taken up."""
        self.adopted_count += 1

    def end(self) -> None:
        """Note that all are."""
        self.seconds = self._clock.now().boot_s - self._began_boot_s
        self._is_over.set()

    async def wait(self) -> None:
        """Return once it is over."""
        await self._is_over.wait()
