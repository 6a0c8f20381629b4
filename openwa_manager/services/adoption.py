"""How far the daemon is, after its start, with taking up the sessions it knows."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session import ProcessState, Session


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many sessions there are, were taken up since the start, wait for a slot, boot, and run."""

    total: int
    adopted: int
    queued: int
    booting: int
    running: int


def progress_of(sessions: Iterable[Session], adopted_count: int) -> Progress:
    """Return how far these sessions are."""
    counts = Counter(map(_place_of, sessions))
    return Progress(
        total=counts.total(),
        adopted=adopted_count,
        queued=counts["queued"],
        booting=counts["booting"],
        running=counts["running"],
    )


def _place_of(session: Session) -> str:
    if session.process is ProcessState.STARTING:
        return "queued" if session.launch is None else "booting"
    return "running" if session.process is ProcessState.RUNNING else "down"
