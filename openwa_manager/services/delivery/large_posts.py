"""Lets engines' large posts in one after the other, with rests between them in which everybody else is served."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId

#: A post of more bytes is large: few events without media are.
LARGE_BYTES = 16 * 1024
#: How many large posts of one session are under way, the others are posted again later: each may wait for its turn.
_UNDER_WAY_MAX = 2
#: How many of all sessions are in memory; the others wait before their bodies are read, 2 MB each.
_IN_MEMORY_MAX = 24
#: After a large post nobody's is let in for so many times as long as it took: they take a quarter of the time at most.
_REST_SHARE = 3.0
#: No rest is longer: a post that took so long waited for a slow disk, and engines give a post up after 10 s.
_REST_MAX_S = 1.0


class LargePosts:
    """Whose turn it is; the rate of each engine is bounded elsewhere, but not that of all of them together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = asyncio.Lock()
        self._in_memory = asyncio.Semaphore(_IN_MEMORY_MAX)
        self._rest_until_boot_s = 0.0
        self._under_way: Counter[SessionId] = Counter()

    @asynccontextmanager
    async def room(self, session_id: SessionId) -> AsyncIterator[None]:
        """Let one large post of this session be read and taken while the body runs.

        Raises:
            BacklogFullError: too many of them are under way.
        """
        if self._under_way[session_id] >= _UNDER_WAY_MAX:
            raise BacklogFullError("too many large posts of this engine are under way; post it again later")
        self._under_way[session_id] += 1
        try:
            async with self._in_memory:
                yield
        finally:
            self._under_way[session_id] -= 1
            if not self._under_way[session_id]:
                del self._under_way[session_id]

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Run the body when it is its turn."""
        async with self._turn:
            await self._clock.sleep_until(self._rest_until_boot_s)
            began_s = self._clock.now().boot_s
            try:
                yield
            finally:
                ended_s = self._clock.now().boot_s
                self._rest_until_boot_s = ended_s + min(_REST_MAX_S, _REST_SHARE * (ended_s - began_s))
