"""How far the daemon is: taking up the sessions it knows, ready, or draining; and how far their starts are."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import ProcessState, Session, SessionId
from openwa_manager.domain.values import dataclass

#: How long at most everything else waits for the sessions to be taken up; one of them may wait for a disk that hangs.
_SETTLED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCounts:
    """How many sessions there are, were taken up since the daemon's start, wait for a slot, boot, and run.

    `adoption_s` is how long taking up all of them took; None until that is done.
    """

    total: int
    adopted: int
    queued: int
    booting: int
    running: int
    adoption_s: float | None


class Progress:
    """Where the daemon is between its start and its end; written by whoever runs the sessions, read by many.

    It is ready once every session known at the start has been taken up. From SIGTERM on it drains: it takes no new
    sessions, and nobody may wait for anything any more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_boot_s = clock.now().boot_s
        self._ready = asyncio.Event()
        self._adopted: set[SessionId] = set()
        self._adoption_s: float | None = None
        self.is_draining = False

    @property
    def is_ready(self) -> bool:
        """Tell whether every session known at the start has been taken up."""
        return self._ready.is_set()

    def begin(self) -> None:
        """Note that sessions are being taken up from now on."""
        self._began_boot_s = self._clock.now().boot_s

    def note_adopted(self, session_id: SessionId) -> None:
        """Note that this session, known at the start, is taken up."""
        self._adopted.add(session_id)

    def finish(self) -> None:
        """Note that all are taken up."""
        self._adoption_s = self._clock.now().boot_s - self._began_boot_s
        self._ready.set()

    async def until_ready(self) -> None:
        """Return once every session known at the start has been taken up."""
        await self._ready.wait()

    async def until_settled(self) -> None:
        """Return once they are taken up, or have had 10 s for it: what is not urgent should not hold that up."""
        await self._clock.wait(self._ready, self._began_boot_s + _SETTLED_WITHIN_S)

    def counts_of(self, sessions: Iterable[Session]) -> StartCounts:
        """Return how far the starts of these sessions are."""
        counts: Counter[str] = Counter()
        adopted_count = 0
        for each in sessions:
            counts[_phase_of(each)] += 1
            adopted_count += each.session_id in self._adopted
        return StartCounts(
            total=counts.total(),
            adopted=adopted_count,
            queued=counts["queued"],
            booting=counts["booting"],
            running=counts["running"],
            adoption_s=self._adoption_s,
        )


def _phase_of(session: Session) -> str:
    if session.process is ProcessState.STARTING:
        return "queued" if session.launch is None else "booting"
    return "running" if session.process is ProcessState.RUNNING else "down"
