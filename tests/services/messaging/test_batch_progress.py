import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.messaging.batches import Batch, BatchState
from openwa_manager.domain.messaging.messages import BatchId, MessageStatus, Move
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.acceptance.bulk import BulkAcceptance
from openwa_manager.services.messaging.batches import BatchProgress
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Database
from openwa_manager.store.messaging import batches, moves
from openwa_manager.store.sessions.registry import save_session
from tests.api.messaging.building import Outside, forecast_of, gate_of
from tests.fakes.clock import FakeClock
from tests.fakes.polling import until
from tests.services.messaging.test_bulk_acceptance import SESSION, UNKEYED, draft_to

PROGRESS_S = 10.0


@dataclass
class Watched:
    """A daemon's life, as far as batches go."""

    records: MessageRecords
    bulk: BulkAcceptance
    progress: BatchProgress
    clock: FakeClock
    told: list[Event]
    released: list[str] = field(default_factory=list)

    async def take_in(self, count: int) -> BatchId:
        before = {batch.batch_id for batch in await self.records.read(batches.read_open)}
        await self.bulk.accept(SESSION, draft_to(count), UNKEYED)
        (batch,) = [each for each in await self.records.read(batches.read_open) if each.batch_id not in before]
        return batch.batch_id

    async def move_one(self, batch_id: BatchId, *steps: MessageStatus) -> None:
        (message_id,) = await self.records.read(partial(batches.read_waiting, batch_id=batch_id, limit=1))
        for to in steps:
            step = Move(to=to, at=self.clock.now().at)
            moved = await self.records.write(partial(moves.move, message_id=message_id, step=step))
            assert moved is not None
            await self.records.tell(lambda _, events=moved.events: (None, events))  # type: ignore[misc]

    def counts(self) -> Iterator[tuple[str, object]]:
        for event in self.told:
            if event.type.startswith("batch."):
                yield event.type, event.data["counts"]

    async def until_told(self, count: int) -> None:
        await until(lambda: len([*self.counts()]) >= count)

    async def pause(self) -> None:
        """Let the time go by in which nothing is told."""
        await self.clock.until_sleeping()
        await self.clock.advance(PROGRESS_S)


@asynccontextmanager
async def life(database: Database, *, runs: bool = True) -> AsyncIterator[Watched]:
    clock, changes, outside = FakeClock(), Changes(), Outside()
    told = list[Event]()

    def hear(stored: list[StoredEvent]) -> None:
        told.extend(each.event for each in stored)

    changes.events_stored.subscribe(hear)  # type: ignore[arg-type]
    records = MessageRecords(database, clock, changes, lambda _: None)
    bulk = BulkAcceptance(gate_of(records, clock, outside), forecast_of(records, clock), outside.media)

    async def estimate(_: Batch) -> float | None:
        return None

    progress = BatchProgress(records, clock, bulk, estimate, outside.media.release, PROGRESS_S)
    changes.events_stored.subscribe(progress.note)
    bulk.accepted.subscribe(progress.look_again)
    watched = Watched(records, bulk, progress, clock, told, outside.media.released)
    if not runs:
        yield watched
        return
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(progress.run())
        yield watched
        running.cancel()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        await opened.write(partial(save_session, session=SESSION, steps=(), events=()))
        yield opened


async def test_changes_are_told_together_and_the_end_once(database: Database) -> None:
    async with life(database) as watched:
        batch_id = await watched.take_in(2)
        await watched.until_told(1)
        for _ in range(2):
            await watched.move_one(batch_id, MessageStatus.SENDING, MessageStatus.SENT)
        await watched.pause()
        await watched.until_told(2)
        await watched.pause()

        assert [*watched.counts()] == [("batch.progress", {"queued": 2}), ("batch.completed", {"sent": 2})]
        assert watched.released == [batch_id]
        batch = await watched.records.read(partial(batches.find_batch, batch_id=batch_id))
        assert batch is not None
        assert (batch.state, batch.ended_at) == (BatchState.DONE, batch.told_at)
        assert batch.ended_at is not None


async def test_nothing_is_told_of_what_does_not_change(database: Database) -> None:
    async with life(database) as watched:
        batch_id = await watched.take_in(2)
        await watched.until_told(1)
        watched.progress.look_again(batch_id)
        await watched.pause()
        await watched.move_one(batch_id, MessageStatus.SENDING, MessageStatus.SENT)
        await watched.pause()
        await watched.until_told(2)

        assert [*watched.counts()] == [
            ("batch.progress", {"queued": 2}),
            ("batch.progress", {"queued": 1, "sent": 1}),
        ]


async def test_an_end_that_nobody_told_is_told_by_the_next_daemon(database: Database) -> None:
    async with life(database, runs=False) as watched:
        batch_id = await watched.take_in(1)
        await watched.move_one(batch_id, MessageStatus.SENDING, MessageStatus.FAILED)

    async with life(database) as watched:
        await watched.until_told(1)
        assert [*watched.counts()] == [("batch.completed", {"failed": 1})]
    async with life(database) as watched:
        await watched.take_in(1)
        await watched.until_told(1)
        assert [*watched.counts()] == [("batch.progress", {"queued": 1})]


async def test_a_batch_that_was_called_off_halfway_is_called_off_by_the_next_daemon(database: Database) -> None:
    async with life(database, runs=False) as watched:
        batch_id = await watched.take_in(150)
        state = partial(batches.set_batch_state, batch_id=batch_id, state=BatchState.CANCELLED)
        assert await watched.records.write(state)

    async with life(database) as watched:
        await watched.pause()
        await watched.until_told(1)
        assert [*watched.counts()] == [("batch.completed", {"cancelled": 150})]


async def test_a_batch_of_which_nothing_was_taken_ends_at_once(database: Database) -> None:
    async with life(database) as watched:
        empty: Mapping[str, object] = {}
        await watched.take_in(0)
        await watched.until_told(1)

        assert [*watched.counts()] == [("batch.completed", empty)]
