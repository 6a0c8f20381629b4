"""Keeps a random pause between the messages of one session: WhatsApp bans accounts that write like machines."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from openwa_manager.domain.errors import QueueFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId


@dataclass(slots=True)
class _SendQueue:
    """The messages of one session: which wait for their turn, in order of arrival, and when the next may begin."""

    waiting: deque[asyncio.Event] = field(default_factory=deque)
    is_taken: bool = False
    free_boot_s: float = 0.0


@dataclass(slots=True)
class Turn:
    """One message's turn. Whoever has it clears `was_used` if nothing was sent: then no gap follows."""

    was_used: bool = True


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
        self._queues: dict[SessionId, _SendQueue] = {}

    @asynccontextmanager
    async def turn(self, session_id: SessionId, within_s: float) -> AsyncIterator[Turn]:
        """Enter when the session's next message may be sent, leave once it is.

        Raises:
            QueueFullError: it is not this message's turn within `within_s`, or cannot become so.
        """
        turn = Turn()
        if self._gap_max_s <= 0:
            yield turn
            return
        self._forget_idle()
        queue = self._queues.setdefault(session_id, _SendQueue())
        await self._take(queue, within_s)
        try:
            yield turn
        finally:
            if turn.was_used:
                gap_s = self._gap_min_s + (self._gap_max_s - self._gap_min_s) * self._chance()
                queue.free_boot_s = self._clock.now().boot_s + gap_s
            _pass_turn(queue)

    def _forget_idle(self) -> None:
        """Forget the sessions in which nothing waits and no gap runs, so that memory does not grow."""
        now_s = self._clock.now().boot_s
        self._queues = {
            name: queue for name, queue in self._queues.items() if queue.is_taken or queue.free_boot_s > now_s
        }

    async def _take(self, queue: _SendQueue, within_s: float) -> None:
        if self._soonest_s(queue) > within_s:
            raise self._refusal(queue)
        due_boot_s = self._clock.now().boot_s + within_s
        await self._wait_for_turn(queue, due_boot_s)
        try:
            await self._wait(queue, due_boot_s)
        except BaseException:
            _pass_turn(queue)
            raise

    async def _wait_for_turn(self, queue: _SendQueue, due_boot_s: float) -> None:
        if not queue.is_taken:
            queue.is_taken = True
            return
        turn = asyncio.Event()
        queue.waiting.append(turn)
        try:
            await self._clock.wait(turn, due_boot_s)
        except BaseException:
            if turn.is_set():  # its turn came while it was cancelled
                _pass_turn(queue)
            raise
        finally:
            if turn in queue.waiting:
                queue.waiting.remove(turn)
        if not turn.is_set():
            raise self._refusal(queue)

    async def _wait(self, queue: _SendQueue, due_boot_s: float) -> None:
        """Wait until the gap after the last message is over."""
        if queue.free_boot_s > due_boot_s:
            raise self._refusal(queue)
        if queue.free_boot_s > self._clock.now().boot_s:
            await self._clock.sleep_until(queue.free_boot_s)

    def _soonest_s(self, queue: _SendQueue) -> float:
        """Return how long one that comes now waits at least."""
        ahead_count = len(queue.waiting) + queue.is_taken
        return max(0.0, queue.free_boot_s - self._clock.now().boot_s) + ahead_count * self._gap_min_s

    def _refusal(self, queue: _SendQueue) -> QueueFullError:
        retry_after_s = max(1, math.ceil(self._soonest_s(queue)))
        detail = f"too many messages wait on this session; its next turn comes in about {retry_after_s} s"
        return QueueFullError(detail, retry_after_s)


def _pass_turn(queue: _SendQueue) -> None:
    """Give the turn to the next message; none can come in between."""
    if queue.waiting:
        queue.waiting.popleft().set()
    else:
        queue.is_taken = False
