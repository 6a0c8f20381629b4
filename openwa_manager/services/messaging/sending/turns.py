"""The turns that requests of the gateway wait for: they leave through the same lane as the messages on disk."""

import asyncio
from dataclasses import dataclass, field

from openwa_manager.domain.messaging.messages import Priority


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """One request's turn; `arrived_at` is wall time.

    Whoever has it clears `was_used` if nothing was sent: then no gap follows.
    """

    arrived_at: float
    is_first_contact: bool = False
    was_used: bool = True
    granted: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rank(self) -> tuple[int, float]:
        """Return its place among the messages: as one of normal priority that came in when it did."""
        return Priority.NORMAL, self.arrived_at
