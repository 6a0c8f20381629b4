"""The pause between the messages of one session: WhatsApp bans accounts that write like machines."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from openwa_manager.domain.errors import RateLimitedError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId


@dataclass(slots=True)
class _SendLane:
    """The messages of one session: who waits for his turn, in order of arrival, and when the next may begin."""

    waiting: deque[asyncio.Event] = field(default_factory=deque)
    is_taken: bool = False
    free_boot_s: float = 0.0


class Pacing:
    """Gives each session's messages their turns: one at a time, in order of arrival, a random gap after each.

    The gap is uniform between `gap_min_s` and `gap_max_s`; with a `gap_max_s` of 0 nobody waits for anybody.
    `chance` draws from [0, 1).
    """

    def __init__(self, clock: Clock, chance: Callable[[], float], gap_min_s: float, gap_max_s: float) -> None:
        self._clock = clock
        self._chance = chance
        self._gap_min_s = gap_min_s
        self._gap_max_s = gap_max_s
        self._lanes: dict[SessionId, _SendLane] = {}

    @asynccontextmanager
    async def turn(self, session_id: SessionId, patience_s: float) -> AsyncIterator[None]:
        """Enter when the session's next message may be sent, leave once it is.

        Raises:
            RateLimitedError: it is not this message's turn within `patience_s`, or cannot become so.
        """
        if self._gap_max_s <= 0:
            yield
            return
        self._forget_idle()
        lane = self._lanes.setdefault(session_id, _SendLane())
        await self._take(lane, patience_s)
        try:
            yield
        finally:
            gap_s = self._gap_min_s + (self._gap_max_s - self._gap_min_s) * self._chance()
            lane.free_boot_s = self._clock.now().boot_s + gap_s
            _hand_on(lane)

    def _forget_idle(self) -> None:
        """Drop the lanes in which nothing is to be waited for, lest sessions long gone are remembered for ever."""
        now_s = self._clock.now().boot_s
        self._lanes = {name: lane for name, lane in self._lanes.items() if lane.is_taken or lane.free_boot_s > now_s}

    async def _take(self, lane: _SendLane, patience_s: float) -> None:
        if self._soonest_s(lane) > patience_s:
            raise self._refusal(lane)
        deadline_s = self._clock.now().boot_s + patience_s
        await self._come_first(lane, deadline_s)
        try:
            await self._wait(lane, deadline_s)
        except BaseException:
            _hand_on(lane)
            raise

    async def _come_first(self, lane: _SendLane, deadline_s: float) -> None:
        if not lane.is_taken:
            lane.is_taken = True
            return
        called = asyncio.Event()
        lane.waiting.append(called)
        try:
            await self._clock.wait(called, deadline_s)
        except BaseException:
            if called.is_set():  # called and cancelled at once
                _hand_on(lane)
            raise
        finally:
            if called in lane.waiting:
                lane.waiting.remove(called)
        if not called.is_set():
            raise self._refusal(lane)

    async def _wait(self, lane: _SendLane, deadline_s: float) -> None:
        """Sit out what is left of the gap."""
        if lane.free_boot_s > deadline_s:
            raise self._refusal(lane)
        if lane.free_boot_s > self._clock.now().boot_s:
            await self._clock.sleep_until(lane.free_boot_s)

    def _soonest_s(self, lane: _SendLane) -> float:
        """Return how long one that comes now waits at least."""
        ahead_count = len(lane.waiting) + lane.is_taken
        return max(0.0, lane.free_boot_s - self._clock.now().boot_s) + ahead_count * self._gap_min_s

    def _refusal(self, lane: _SendLane) -> RateLimitedError:
        retry_after_s = max(1, math.ceil(self._soonest_s(lane)))
        detail = f"too many messages wait on this session; its next turn comes in about {retry_after_s} s"
        return RateLimitedError(detail, retry_after_s)


def _hand_on(lane: _SendLane) -> None:
    """Call the next one in; nobody else can come in between."""
    if lane.waiting:
        lane.waiting.popleft().set()
    else:
        lane.is_taken = False
