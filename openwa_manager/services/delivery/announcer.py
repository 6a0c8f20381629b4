"""Puts what happens to the daemon itself into the outbox."""

from functools import partial

import structlog

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.services.changes import Changes
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox

_log = structlog.get_logger()


class Announcer:
    """Stores events that belong to no session."""

    def __init__(self, database: Database, clock: Clock, changes: Changes) -> None:
        self._database = database
        self._clock = clock
        self._changes = changes

    async def announce(self, event_type: str, **data: Json) -> None:
        """Return once the event is on disk; a full disk loses it, and nothing else."""
        event = Event(type=event_type, occurred_at=self._clock.now().at, data=data)
        try:
            stored = await self._database.write(partial(outbox.append, events=[event]))
        except StorageFullError as error:
            _log.warning("event_not_recorded", type=event_type, error=str(error))
        else:
            self._changes.events_stored.publish(stored)
