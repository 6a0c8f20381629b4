"""What people and programs ask of batches: to be shown, paused, let go on, called off."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.errors import BatchNotFoundError, IllegalTransitionError
from openwa_manager.domain.messaging.batches import Batch, BatchState
from openwa_manager.domain.messaging.messages import BatchId, Hold
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.batches import (
    BatchFacts,
    EstimateEnd,
    cancel_waiting,
    read_facts,
)
from openwa_manager.services.messaging.outlook import QueueOutlook, batch_hold, strongest
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.messaging import batches

_NOT_FOUND = "there is no such batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A batch as it is shown: how far it is, what holds what waits in it (None: nothing), and when it is done."""

    facts: BatchFacts
    hold: Hold | None
    estimated_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHearers:
    """Who is told of a change: the queue of a session, and what tells how far a batch is."""

    wake: Callable[[SessionId], None]
    look_again: Callable[[BatchId], None]


class BatchRequests:
    """Shows batches, and changes one when somebody asks for it."""

    def __init__(
        self,
        records: MessageRecords,
        clock: Clock,
        outlook: QueueOutlook,
        estimate_end: EstimateEnd,
        hearers: BatchHearers,
    ) -> None:
        self._records = records
        self._clock = clock
        self._outlook = outlook
        self._estimate_end = estimate_end
        self._hearers = hearers

    async def find(self, batch_id: str, scope: SessionScope = EVERY_SESSION) -> BatchId:
        """Return the id of a batch of a session in a scope.

        Raises:
            BatchNotFoundError: there is none with this id there.
        """
        batch = await self._records.read(partial(batches.find_batch, batch_id=batch_id))
        if batch is None or not scope.names(batch.origin.session_id):
            raise BatchNotFoundError(_NOT_FOUND)
        return batch.batch_id

    async def show(self, batch_id: str) -> BatchView:
        """Return a batch as it is shown.

        Raises:
            BatchNotFoundError: there is none with this id.
        """
        facts = await self._records.read(partial(read_facts, batch_id=BatchId(batch_id)))
        if facts is None:
            raise BatchNotFoundError(_NOT_FOUND)
        if not facts.waiting_count:
            return BatchView(facts=facts, hold=None, estimated_at=None)
        hold = self._hold(facts.batch)
        return BatchView(facts=facts, hold=hold, estimated_at=await self._estimate(facts.batch, hold))

    async def list_some(self, session_id: SessionId, before_id: BatchId | None, limit: int) -> list[BatchView]:
        """Return a session's batches that are older than another (None: from the newest on), newest first.

        Each is read by itself: counting the replies to a large one takes some 10 ms.
        """
        page = partial(batches.read_page, session_id=session_id, before_id=before_id, limit=limit)
        views: list[BatchView] = []
        for batch_id in await self._records.read(page):
            with suppress(BatchNotFoundError):  # forgotten meanwhile
                views.append(await self.show(batch_id))
        return views

    async def set_paused(self, batch_id: str, *, is_paused: bool) -> BatchView:
        """Pause a batch, or let it go on.

        Raises:
            BatchNotFoundError: there is none with this id.
            IllegalTransitionError: it has ended, or was called off.
        """
        facts = (await self.show(batch_id)).facts
        state = BatchState.PAUSED if is_paused else BatchState.ACTIVE
        change = partial(batches.set_batch_state, batch_id=facts.batch.batch_id, state=state)
        if not await self._records.write(change):
            now = (await self.show(batch_id)).facts.batch.state
            raise IllegalTransitionError(f"the batch is {now}; only one that goes on can be paused or resumed")
        self._hearers.wake(facts.batch.origin.session_id)
        return await self.show(batch_id)

    async def cancel(self, batch_id: str) -> BatchView:
        """Call off what waits in a batch, paused or not; what is being sent goes on. May be done twice.

        Raises:
            BatchNotFoundError: there is none with this id.
            StorageFullError: some of it still waits.
        """
        facts = (await self.show(batch_id)).facts
        found = facts.batch.batch_id
        await self._records.write(partial(batches.set_batch_state, batch_id=found, state=BatchState.CANCELLED))
        await cancel_waiting(self._records, self._clock, found)
        self._hearers.look_again(found)
        self._hearers.wake(facts.batch.origin.session_id)
        return await self.show(batch_id)

    def _hold(self, batch: Batch) -> Hold | None:
        own = batch_hold(batch, self._clock.now().at)
        return strongest((own, self._outlook.hold(batch.origin.session_id, is_first_contact=False)))

    async def _estimate(self, batch: Batch, hold: Hold | None) -> float | None:
        if hold is not None and hold.until is None:
            return None
        return await self._estimate_end(batch)
