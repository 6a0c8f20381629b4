"""Lets requests without a key go on one after the other, and leaves the loop to the others in between.

Theory. A call passes through the event loop some ten times, and each time waits for all that is ready together with it.
When hundreds of strangers ask at once, each of these rounds takes as long as all their answers. So only one of them
goes on in a round, and after it the loop is free for as long as that one took: strangers get half of its time at most,
however many they are. One who asks alone does not notice.
"""

import asyncio
from collections import deque

from aiohttp import web


class StrangerTurns:
    """The turns of all who ask without a valid key, at all listeners of the control plane."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def queue(self, request: web.Request) -> None:
        """Return when it is the turn of a stranger's request."""
        request[TURNS] = self
        await self.take()

    async def take(self) -> None:
        """Wait for a turn: it lasts until whoever took it waits for something else.

        At most as many wait as there are places for connections, so the wait is bounded.
        """
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._begin(loop)
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_taken = True
        loop.call_soon(self._end, loop, loop.time())

    def _end(self, loop: asyncio.AbstractEventLoop, begun_s: float) -> None:
        """Leave the loop to others for as long as the turn took."""
        loop.call_later(loop.time() - begun_s, self._begin_next, loop)

    def _begin_next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_taken = False
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # it is when its caller has hung up
                turn.set_result(None)
                self._begin(loop)
                return


#: Set for requests without a valid key: who makes a large answer takes one turn for each piece of it.
TURNS = web.RequestKey("turns", StrangerTurns)
