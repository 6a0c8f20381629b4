"""The turns that requests of the gateway wait for: they leave through the same lane as the messages on disk."""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from openwa_manager.domain.messaging.messages import Hold, Priority
from openwa_manager.domain.messaging.outcomes import Verdict


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """One request's turn, which came at wall time `arrived_at` and waits until `until_boot_s`.

    Whoever has it clears `was_used` if nothing was sent: then no gap follows. `verdict` is what came of it, if it is
    known. `refusal` is why it never comes.
    """

    arrived_at: float
    is_first_contact: bool = False
    until_boot_s: float = 0.0
    was_used: bool = True
    verdict: Verdict | None = None
    refusal: Hold | None = None
    granted: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rank(self) -> tuple[int, float]:
        """Return its place among the messages: as one of normal priority that came in when it did."""
        return Priority.NORMAL, self.arrived_at


class TurnLine:
    """The turns of one session that are waited for, in order of arrival, and the one that somebody has now."""

    def __init__(self) -> None:
        self._waiting: deque[Turn] = deque()
        self._current: Turn | None = None

    @property
    def waiting(self) -> tuple[Turn, ...]:
        """Return those that are waited for."""
        return tuple(self._waiting)

    def join(self, turn: Turn) -> None:
        """Have a turn wait behind all others."""
        self._waiting.append(turn)

    def leave(self, turn: Turn, *, was_used: bool) -> None:
        """End a turn, or the wait for it."""
        turn.was_used = was_used
        turn.ended.set()
        with suppress(ValueError):
            self._waiting.remove(turn)

    async def grant(self, turn: Turn) -> None:
        """Give a turn to whoever waits for it, and return once it has ended."""
        self._waiting.remove(turn)
        self._current = turn
        turn.granted.set()
        try:
            await turn.ended.wait()
        finally:
            self._current = None

    def refuse(self, turn: Turn, refusal: Hold) -> None:
        """Tell whoever waits for a turn that it does not come in time."""
        self._waiting.remove(turn)
        turn.refusal = refusal
        turn.granted.set()

    def count_ahead(self, turn: Turn) -> int:
        """Return how many go before a turn that joins now."""
        return sum(each is not turn for each in self._waiting) + (self._current is not None)
