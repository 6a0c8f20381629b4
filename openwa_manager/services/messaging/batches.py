"""Tells how far batches are, and once when all of their messages have ended.

What is told is read off the database, where the end is written in the same transaction as the event that tells of it.
So nothing is lost when the daemon ends at any point: the next one looks at every batch that has no end yet.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from openwa_manager.domain.delivery.events import Event, Json, StoredEvent
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.messaging.batches import Batch, BatchState
from openwa_manager.domain.messaging.messages import OPEN, BatchId, MessageStatus, Move
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.times import iso8601
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import batches, moves

_log = structlog.get_logger()

#: How many messages are called off in one write: each takes some hundred microseconds.
_CANCELLED_AT_ONCE = 100
_DISK_PAUSE_S = 10.0

#: Tells when the last message of a batch is sent (wall time; None: nobody can tell).
EstimateEnd = Callable[[Batch], Awaitable[float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFacts:
    """A batch and how far it is; `reply_share` is from 0 to 1 (None: nothing was sent)."""

    batch: Batch
    counts: Mapping[MessageStatus, int]
    reply_share: float | None

    @property
    def waiting_count(self) -> int:
        """Return how many messages of it have not been asked of the engine."""
        return self.counts.get(MessageStatus.QUEUED, 0)

    @property
    def has_ended(self) -> bool:
        """Tell whether all of its messages have ended."""
        return not any(status in OPEN for status in self.counts)


def read_facts(connection: Connection, batch_id: BatchId) -> BatchFacts | None:
    """Return a batch and how far it is; None when there is none."""
    batch = batches.find_batch(connection, batch_id)
    if batch is None:
        return None
    return BatchFacts(
        batch=batch,
        counts=batches.count_batch(connection, batch_id),
        reply_share=batches.count_replies(connection, batch_id).share,
    )


def cancel_some(connection: Connection, batch_id: BatchId, at: float) -> tuple[int, Sequence[Event]]:
    """Call some of the messages off that wait in a batch; return how many those were, and the events."""
    found = batches.read_waiting(connection, batch_id, _CANCELLED_AT_ONCE)
    events: list[Event] = []
    for message_id in found:
        moved = moves.move(connection, message_id, Move(to=MessageStatus.CANCELLED, at=at))
        events += moved.events if moved else ()
    return len(found), events


async def cancel_waiting(records: MessageRecords, clock: Clock, batch_id: BatchId) -> None:
    """Call all messages off that wait in a batch, some at a time.

    Raises:
        StorageFullError: some of them still wait.
    """
    while await records.tell(partial(cancel_some, batch_id=batch_id, at=clock.now().at)):
        pass


class BatchProgress:
    """Watches the batches that have not ended; `progress_s` is the least between two events of one of them.

    `release` removes the files of a batch that has ended.
    """

    def __init__(
        self,
        records: MessageRecords,
        clock: Clock,
        bulk: BulkAcceptance,
        estimate_end: EstimateEnd,
        release: Callable[[str], Awaitable[None]],
        progress_s: float,
    ) -> None:
        self._records = records
        self._clock = clock
        self._bulk = bulk
        self._estimate_end = estimate_end
        self._release = release
        self._progress_s = progress_s
        self._touched: set[BatchId] = set()
        self._told: dict[BatchId, Mapping[MessageStatus, int]] = {}
        self._woken = asyncio.Event()

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Look again at the batches whose messages these events are about."""
        for each in stored:
            batch_id = each.event.data.get("batch_id")
            if batch_id and isinstance(batch_id, str) and each.event.type.startswith("message."):
                self.look_again(BatchId(batch_id))

    def look_again(self, batch_id: BatchId) -> None:
        """Look again at a batch."""
        self._touched.add(batch_id)
        self._woken.set()

    async def run(self) -> None:
        """Remove what was left of batches that were cut off, then tell how far the others are until cancelled."""
        await self._begin()
        while True:
            await self._clock.wait(self._woken, None)
            self._woken.clear()
            touched, self._touched = self._touched, set()
            for batch_id in sorted(touched):
                await self._look(batch_id)
            await self._clock.sleep_until(self._clock.now().boot_s + self._progress_s)

    async def _begin(self) -> None:
        try:
            async with self._bulk.turn():
                await self._bulk.clear()
        except StorageFullError:  # what is left goes before the next batch is taken in
            _log.warning("batch_remains_kept", reason="storage_full")
        for batch in await self._records.read(batches.read_open):
            self._told[batch.batch_id] = await self._records.read(partial(batches.count_batch, batch_id=batch.batch_id))
            self.look_again(batch.batch_id)

    async def _look(self, batch_id: BatchId) -> None:
        try:
            await self._tell(batch_id)
        except StorageFullError:
            _log.warning("batch_progress_untold", batch_id=batch_id, reason="storage_full")
            await self._clock.sleep_until(self._clock.now().boot_s + _DISK_PAUSE_S)
            self.look_again(batch_id)

    async def _tell(self, batch_id: BatchId) -> None:
        facts = await self._records.read(partial(read_facts, batch_id=batch_id))
        if facts is None or facts.batch.ended_at is not None:
            self._told.pop(batch_id, None)
            return
        if facts.batch.state is BatchState.CANCELLED and facts.waiting_count:  # a daemon ended in the middle of it
            await cancel_waiting(self._records, self._clock, batch_id)
            self.look_again(batch_id)
            return
        if facts.has_ended:
            await self._records.tell(partial(end_if_over, batch_id=batch_id, at=self._clock.now().at))
            self._told.pop(batch_id, None)
            await self._release(batch_id)
        elif self._told.get(batch_id) != facts.counts:
            estimated_at = await self._estimate_end(facts.batch)
            event = _event("batch.progress", facts, self._clock.now().at, estimated_at)
            await self._records.tell(lambda _: (None, [event]))
            self._told[batch_id] = facts.counts


def end_if_over(connection: Connection, batch_id: BatchId, at: float) -> tuple[None, Sequence[Event]]:
    """Write that a batch has ended and return the event that tells so; none when it has not, or that was told."""
    facts = read_facts(connection, batch_id)
    if facts is None or not facts.has_ended or not batches.end_batch(connection, batch_id, at):
        return None, ()
    return None, [_event("batch.completed", facts, at, None)]


def _event(type_: str, facts: BatchFacts, at: float, estimated_at: float | None) -> Event:
    origin = facts.batch.origin
    data: dict[str, Json] = {
        "batch_id": facts.batch.batch_id,
        "name": origin.name,
        "counts": {status.value: count for status, count in facts.counts.items()},
        "reply_share": facts.reply_share,
        "estimated_at": None if estimated_at is None else iso8601(estimated_at),
    }
    return Event(type=type_, occurred_at=at, session_id=origin.session_id, user_id=origin.user_id, data=data)
