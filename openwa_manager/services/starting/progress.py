"""How far the start of all sessions is."""

from collections import Counter
from dataclasses import dataclass

from openwa_manager.domain.session.session import ProcessState, Session
from openwa_manager.services.sessions.sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many sessions there are, were taken up since the start, wait for a slot, boot, and run."""

    total: int
    adopted: int
    queued: int
    booting: int
    running: int


def progress_of(sessions: Sessions) -> Progress:
    """Return how far these sessions are."""
    counts = Counter(map(_place_of, sessions.list_sessions()))
    return Progress(
        total=counts.total(),
        adopted=sessions.adoption.adopted_count,
        queued=counts["queued"],
        booting=counts["booting"],
        running=counts["running"],
    )


def _place_of(session: Session) -> str:
    if session.process is ProcessState.STARTING:
        return "queued" if session.launch is None else "booting"
    return "running" if session.process is ProcessState.RUNNING else "down"
