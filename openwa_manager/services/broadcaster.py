"""Lets readers follow the events live: first those they missed, then each as it is stored."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from openwa_manager.domain.events import StoredEvent
from openwa_manager.domain.session import SessionId
from openwa_manager.store.database import Database
from openwa_manager.store.outbox import last_seq, read_events

_PAGE = 200


class Broadcaster:
    """Wakes its readers when there is something to read.

    They read from the outbox, each at its own pace: a slow one costs no memory and misses nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Let every reader look for new events; call it after every save that may have stored some."""
        self._news.set()
        self._news = asyncio.Event()

    async def follow(
        self, after: int | None = None, types: Sequence[str] = (), session_id: SessionId | None = None
    ) -> AsyncGenerator[list[StoredEvent], None]:
        """Yield events later than seq `after` (None: later than now), oldest first, in batches, without end.

        Close the iterator when done with it.
        """
        cursor = await self._database.read(last_seq) if after is None else after
        while True:
            news = self._news  # taken before reading: what is stored during the read wakes us at once
            read = partial(_read_page, after=cursor, types=types, session_id=session_id)
            page, cursor = await self._database.read(read)
            if page:
                yield page
            if len(page) < _PAGE:
                await news.wait()


def _read_page(
    connection: sqlite3.Connection, after: int, types: Sequence[str], session_id: SessionId | None
) -> tuple[list[StoredEvent], int]:
    """Return the next page and where the one after it begins: behind all that was looked at, wanted or not."""
    page = read_events(connection, after, _PAGE, types, session_id)
    return page, page[-1].seq if len(page) == _PAGE else max(after, last_seq(connection))
