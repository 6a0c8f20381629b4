"""Writes what happens to messages: the rows, the events that tell of it and the position, in one transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.ports import Clock
from openwa_manager.services.changes import Changes
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.messaging.position import Position, advance

T = TypeVar("T")
#: Makes a change and returns what came of it, and the events that tell of it.
Telling = Callable[[Connection], tuple[T, Sequence[Event]]]


class MessageRecords:
    """The way to the messages on disk; `note` is told each position once it is there, before anybody acts on it."""

    def __init__(self, database: Database, clock: Clock, changes: Changes, note: Callable[[Position], None]) -> None:
        self._database = database
        self._clock = clock
        self._changes = changes
        self._note = note

    async def write(self, function: Callable[[Connection], T]) -> T:
        """Return what `function` returned, once its changes are on disk.

        Raises:
            StorageFullError: nothing was written.
            DrainingError: the database is closed.
        """
        return await self.tell(lambda connection: (function(connection), ()))

    async def tell(self, function: Telling[T]) -> T:
        """Return what `function` returned first, once its changes and its events are on disk.

        Raises:
            StorageFullError: nothing was written.
            DrainingError: the database is closed.
        """
        write = partial(_write, function=function, at=self._clock.now().at)
        result, stored, position = await self._database.write(write)
        self._note(position)
        if stored:
            self._changes.events_stored.publish(stored)
        return result

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Return what `function` read from one consistent state."""
        return await self._database.read(function)


def _write(connection: Connection, function: Telling[T], at: float) -> tuple[T, list[StoredEvent], Position]:
    result, events = function(connection)
    stored = outbox.append(connection, events) if events else []
    return result, stored, advance(connection, at)
