"""Settles the messages of a session that is about to be gone, so that none of them is left without an end."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.batches import BatchState
from openwa_manager.domain.messaging.messages import BatchId, MessageError
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.batches import end_if_over
from openwa_manager.services.messaging.control.queue_requests import QueueRequests
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import heads
from openwa_manager.store.messaging.batches import set_batch_state
from openwa_manager.store.messaging.upkeep import deletion

_log = structlog.get_logger()

_CANCELLED = MessageError(code=EndCode.SESSION_DELETED, detail=ENDS[EndCode.SESSION_DELETED])


class SessionEndings:
    """Is asked for each session, once its engine is dead and it takes nothing in; `release` lets go of files."""

    def __init__(
        self,
        queues: Queues,
        requests: QueueRequests,
        records: MessageRecords,
        clock: Clock,
        release: Callable[[str], Awaitable[None]],
    ) -> None:
        self._queues = queues
        self._requests = requests
        self._records = records
        self._clock = clock
        self._release = release

    async def settle(self, session_id: SessionId) -> None:
        """Return once nothing of the session waits, is in flight or may repeat; a kill in between does no harm.

        Raises:
            StorageFullError: some of it could not be recorded; what was, stands.
        """
        await self._queues.close(session_id)
        waiting_count = await self._records.read(partial(heads.waiting_in, session_id=session_id))
        await self._end_messages(session_id)
        await self._end_batches(session_id)
        while await self._records.write(partial(deletion.forget_some, session_id=session_id)):
            pass
        if waiting_count:
            _log.info(
                "messages_cancelled", session_id=session_id, count=waiting_count, reason=EndCode.SESSION_DELETED.value
            )

    async def _end_messages(self, session_id: SessionId) -> None:
        await self._requests.cancel_all(session_id, await self._records.read(heads.newest_seq), _CANCELLED)
        give_up = partial(deletion.give_up_asked, session_id=session_id)
        while await self._records.tell(partial(give_up, at=self._clock.now().at)):
            pass

    async def _end_batches(self, session_id: SessionId) -> None:
        find = partial(deletion.next_open_batch, session_id=session_id)
        while (batch_id := await self._records.read(find)) is not None:
            await self._end_messages(session_id)  # the answer to a send that was cut off may have let it wait again
            await self._records.tell(partial(_end_batch, batch_id=batch_id, at=self._clock.now().at))
            await self._release(batch_id)


def _end_batch(connection: Connection, batch_id: BatchId, at: float) -> tuple[None, Sequence[Event]]:
    """Note the end of a batch of which nothing waits any more."""
    set_batch_state(connection, batch_id, BatchState.CANCELLED)
    return end_if_over(connection, batch_id, at)
