"""How many engines may boot at once: a queue, a few slots, a pause between starts, none on a host short of room.

A slot is held from the grant until the session's engine answers or its start is over.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import field

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.reasons import Facts, ReasonCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

_RECHECK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What the host is short of, so that no engine may start now."""

    code: ReasonCode
    facts: Facts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _QueuedSession:
    """One session's place in the queue: `turn` is set when it has a slot, `delay` is called when it cannot have one."""

    delay: Callable[[Shortage], None]
    turn: asyncio.Event = field(default_factory=asyncio.Event)


class StartGate:
    """Lets engines boot a few at a time, in the order in which they came."""

    def __init__(
        self, clock: Clock, concurrency: int, spacing_s: float, find_shortage: Callable[[], Shortage | None]
    ) -> None:
        self._clock = clock
        self._concurrency = concurrency
        self._spacing_s = spacing_s
        self._find_shortage = find_shortage
        self._waiting: dict[SessionId, _QueuedSession] = {}
        self._booting: set[SessionId] = set()
        self._next_boot_s = 0.0
        self._is_held = False
        self._changed = asyncio.Event()

    def enter(self, session_id: SessionId, delay: Callable[[Shortage], None]) -> asyncio.Event:
        """Return the session's turn: set once it holds a slot, which may be at once.

        `delay` is called, again and again, while its turn cannot come because the host is short of something.
        """
        self.leave(session_id)
        place = _QueuedSession(delay=delay)
        # A session that need not wait gets its slot here, without a turn of the loop: most restarts do.
        is_free = not self._waiting and self._has_slot() and self._next_boot_s <= self._clock.now().boot_s
        if is_free and self._find_shortage() is None:
            self._take(session_id)
            place.turn.set()
        else:
            self._waiting[session_id] = place
            self._changed.set()
        return place.turn

    def seize(self, session_id: SessionId) -> bool:
        """Give the session a slot if one is free at once, and tell whether it has one; it waits for none afterwards."""
        self.leave(session_id)
        is_free = not self._waiting and self._has_slot() and self._next_boot_s <= self._clock.now().boot_s
        if not is_free or self._find_shortage() is not None:
            return False
        self._take(session_id)
        return True

    def ahead_of(self, session_id: SessionId) -> int | None:
        """Return how many wait in front of this session; None when it does not wait itself."""
        return next((count for count, each in enumerate(self._waiting) if each == session_id), None)

    def hold(self) -> None:
        """Let nobody boot until `release`: those who enter meanwhile wait."""
        self._is_held = True

    def release(self, order: Sequence[SessionId]) -> None:
        """Let those boot who wait, in this order, whoever entered first; who is not named comes after them."""
        rank = {session_id: number for number, session_id in enumerate(order)}
        by_rank = sorted(self._waiting, key=lambda session_id: rank.get(session_id, len(rank)))
        self._waiting = {session_id: self._waiting[session_id] for session_id in by_rank}
        self._is_held = False
        self._changed.set()

    def leave(self, session_id: SessionId) -> None:
        """Give back the session's slot or place in the queue; without effect when it has neither."""
        if self._waiting.pop(session_id, None) or session_id in self._booting:
            self._booting.discard(session_id)
            self._changed.set()

    async def run(self) -> None:
        """Give slots to those who wait, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting and self._has_slot():
                await self._admit_next()

    async def _admit_next(self) -> None:
        await self._clock.sleep_until(self._next_boot_s)
        shortage = self._find_shortage()
        if shortage is not None:
            for place in self._waiting.values():
                place.delay(shortage)
            await self._clock.sleep_until(self._clock.now().boot_s + _RECHECK_S)
        elif self._waiting and self._has_slot():  # asked again: they may have left, or we be held, during the pause
            session_id = next(iter(self._waiting))
            place = self._waiting.pop(session_id)
            self._take(session_id)
            place.turn.set()

    def _has_slot(self) -> bool:
        return not self._is_held and len(self._booting) < self._concurrency

    def _take(self, session_id: SessionId) -> None:
        self._booting.add(session_id)
        self._next_boot_s = self._clock.now().boot_s + self._spacing_s
