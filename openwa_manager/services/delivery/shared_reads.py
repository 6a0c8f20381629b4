"""Shares out memory and time among those who read events, however many there are and however slowly they read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from openwa_manager.store.database import Connection, Database

T = TypeVar("T")

#: An event of 2 MB takes some 8 MB and 20 ms on its way to a reader.
_AT_ONCE = 3


class SharedReads:
    """Few readers at a time have a large event in memory, and only one goes on to encode in each turn of the loop.

    Whoever reads small events does not wait for those who read large ones.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._large = asyncio.Semaphore(_AT_ONCE)
        self._gate = asyncio.Lock()

    @asynccontextmanager
    async def reading(
        self, begins_large: Callable[[Connection], bool], read: Callable[[Connection], T]
    ) -> AsyncIterator[T]:
        """Yield what is read, to be encoded and sent while the body runs; what begins with a large event may wait."""

        def read_small(connection: Connection) -> tuple[T] | None:
            return None if begins_large(connection) else (read(connection),)

        found = await self._database.read(read_small)
        if found is not None:
            await self._pass_gate()
            yield found[0]
            return
        async with self._large:
            events = await self._database.read(read)
            await self._pass_gate()
            yield events

    async def _pass_gate(self) -> None:
        """Return in a turn of the loop in which no other reader does: each encodes for some milliseconds then."""
        async with self._gate:
            await asyncio.sleep(0)
