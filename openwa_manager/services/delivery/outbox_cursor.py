"""What has come into the outbox since the dispatcher last looked: as it was announced, or else as the disk tells."""

from collections.abc import Iterator, Sequence
from functools import partial
from operator import attrgetter

from openwa_manager.domain.delivery.delivery import Lane
from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.delivery.events import EventClass, StoredEvent
from openwa_manager.domain.delivery.streams import PendingStream
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox

#: How many announcements are kept in memory at most; beyond that the disk tells as well.
_ANNOUNCED_MAX = 1000


class OutboxCursor:
    """Keeps to the events' seq: only announcements without a gap are believed, anything else is looked up.

    That spares two reads for an event that goes out at once, and still misses none that nobody announced.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._announced: list[StoredEvent] = []
        self._must_look = False
        self._seen_seq = 0

    def __bool__(self) -> bool:
        """Tell whether there may be something new."""
        return self._must_look or bool(self._announced)

    def announce(self, stored: Sequence[StoredEvent]) -> None:
        """Take note of events that have just been stored; none means that it is not known which."""
        self._announced += stored
        self._must_look = self._must_look or not stored
        if len(self._announced) > _ANNOUNCED_MAX:
            self._announced.clear()
            self._must_look = True

    async def read_all(self) -> list[PendingStream]:
        """Return every stream with undelivered events."""
        return await self._look(None)

    async def read_new(self) -> list[PendingStream]:
        """Return the streams that events have come to since the last look, in the order in which they came."""
        pending: list[PendingStream] = []
        for stored in sorted(self._announced, key=attrgetter("seq")):
            # A gap: an event between was stored by someone who has not announced it yet, or never will.
            if stored.seq > self._seen_seq + 1 or stored.endpoint_ids is None:
                return pending + await self._look(self._seen_seq)
            if stored.seq > self._seen_seq:
                self._seen_seq = stored.seq
                pending += _pending_of(stored)
        self._announced.clear()
        return pending + await self._look(self._seen_seq) if self._must_look else pending

    async def _look(self, after: int | None) -> list[PendingStream]:
        self._announced, self._must_look = [], False  # what is announced from here on may be newer
        pending, self._seen_seq = await self._database.read(partial(outbox.read_streams, after=after))
        return pending


def _pending_of(stored: StoredEvent) -> Iterator[PendingStream]:
    """Go through the endpoints it has yet to reach; a code is read from disk, since a newer one may replace it."""
    event = stored.event
    is_code = event.event_class is EventClass.QR
    for endpoint_id in stored.endpoint_ids or ():
        key = StreamKey(endpoint_id, Lane.QR if is_code else Lane.MAIN, event.session_id or "")
        yield PendingStream(key, stored.seq, stored=None if is_code else stored)
