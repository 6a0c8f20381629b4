"""Lets readers follow the events live: first those they missed, then each as it is stored."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial

from openwa_manager.domain.delivery.event_filter import EVERY_EVENT, EventFilter
from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.services.delivery.shared_reads import SharedReads
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.outbox import EventPage, begins_large, last_seq, read_events

#: A reader is sent so many events at once, and fewer where they are large.
_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """What a reader wants: events later than seq `after` (None: later than now), and which of them."""

    after: int | None = None
    events: EventFilter = EVERY_EVENT


class Broadcaster:
    """Wakes its readers when there is something to read.

    They read from the outbox, each at its own pace: a slow one misses nothing. Others read by `shared_reads`, too.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.shared_reads = SharedReads(database)
        self._stored = asyncio.Event()
        self._is_closed = False

    def wake(self) -> None:
        """Let every reader look for new events; call it after every save that may have stored some."""
        self._stored.set()
        self._stored = asyncio.Event()

    def close(self) -> None:
        """Let every reader come to its end, once it has read what there is."""
        self._is_closed = True
        self.wake()

    async def follow(self, interest: Interest, idle_s: float) -> AsyncGenerator[list[StoredEvent], None]:
        """Yield events oldest first, in batches, until closed; an empty batch whenever none came for `idle_s`.

        Close the iterator when done with it.
        """
        cursor = await self._database.read(last_seq) if interest.after is None else interest.after
        idle_boot_s = self._clock.now().boot_s + idle_s
        while True:
            stored, is_last = self._stored, self._is_closed  # taken before reading: what is stored meanwhile wakes us
            large = partial(begins_large, after=cursor, wanted=interest.events)
            read = partial(_read_page, wanted=interest.events, after=cursor)
            async with self.shared_reads.reading(large, read) as (page, cursor):
                if page.events:
                    yield page.events
                    idle_boot_s = self._clock.now().boot_s + idle_s
            if page.is_full:
                continue
            if is_last:
                return
            if not await self._clock.wait(stored, idle_boot_s):
                yield []
                idle_boot_s = self._clock.now().boot_s + idle_s


def _read_page(connection: Connection, wanted: EventFilter, after: int) -> tuple[EventPage, int]:
    """Return the next page and where the one after it begins: behind all that was looked at, wanted or not."""
    page = read_events(connection, after, _PAGE, wanted)
    return page, page.end if page.is_full else max(after, last_seq(connection))
