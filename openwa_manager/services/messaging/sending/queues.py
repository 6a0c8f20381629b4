"""All sessions' queues: each begins when its session first has messages, and a bug in one leaves the others alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.messaging.messages import Hold
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.sending.choosing import Situation
from openwa_manager.services.messaging.sending.queue import MessageQueue
from openwa_manager.services.messaging.sending.queue_parts import QueueParts
from openwa_manager.services.messaging.sending.turns import Turn
from openwa_manager.store.messaging import heads

_log = structlog.get_logger()

#: How long a queue that a bug has ended waits before it begins anew.
_AFTER_BUG_S = 5.0
#: The events after which a session's queue looks again, though nobody wakes it.
_LINK_EVENTS = frozenset({"session.status", "session.connected", "session.restricted"})
_GONE = "session.deleted"
#: How long a queue that is closed may take to end what it is doing: its engine is dead by then.
_CLOSE_WITHIN_S = 10.0


class Queues:
    """Runs the queues; whoever changes a session's messages on disk wakes its queue."""

    def __init__(self, parts: QueueParts) -> None:
        self._parts = parts
        self._queues: dict[SessionId, MessageQueue] = {}
        self._new: asyncio.Queue[MessageQueue] = asyncio.Queue()
        self._is_draining = False

    def wake(self, session_id: SessionId) -> None:
        """Have the session's queue look at its messages now."""
        self._queue_of(session_id).wake()

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Have those queues look again whose sessions' links have changed."""
        for each in stored:
            session_id = each.event.session_id
            if session_id is None:
                continue
            if each.event.type == _GONE:
                self._forget(session_id)
                continue
            if each.event.type not in _LINK_EVENTS:
                continue
            if session_id in self._queues or each.event.type == "session.connected":
                self._queue_of(session_id).note_status()

    def hold(self, session_id: SessionId, *, is_first_contact: bool) -> Hold | None:
        """Return what held the session's messages, or its first contacts, when its queue looked last; None: nothing."""
        return self._queue_of(session_id).hold(is_first_contact=is_first_contact)

    def estimate_at(self, session_id: SessionId, ahead_count: int, *, is_first_contact: bool) -> float | None:
        """Return when a message goes that so many go before (wall time); None: nobody can tell."""
        return self._queue_of(session_id).estimate_at(ahead_count, is_first_contact=is_first_contact)

    def seen(self, session_id: SessionId) -> Situation | None:
        """Return what the session's queue chose from when it looked last; None: it has not."""
        queue = self._queues.get(session_id)
        return queue.seen if queue else None

    async def situation(self, session_id: SessionId) -> Situation:
        """Return what the session's queue would choose from now."""
        return await self._queue_of(session_id).situation()

    @asynccontextmanager
    async def turn(
        self, session_id: SessionId, within_s: float, *, is_first_contact: bool = False
    ) -> AsyncIterator[Turn]:
        """Enter when a request of the gateway may send through this session, leave once it has.

        Raises:
            QueueFullError: it is not its turn within `within_s`, or cannot become so.
        """
        if self._parts.paces.gap.max_s <= 0:
            yield Turn(arrived_at=self._parts.clock.now().at)
            return
        async with self._queue_of(session_id).turn(within_s, is_first_contact=is_first_contact) as turn:
            yield turn

    async def close(self, session_id: SessionId) -> None:
        """Begin nothing new for a session that is about to be gone, and wait for what is being sent, but not for long.

        To be called when its engine is dead; what looks at its queue later finds one that has nothing to send through.
        """
        queue = self._forget(session_id)
        if queue is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await queue.drain()
        except TimeoutError:
            _log.warning("send_cut_off", session_id=session_id, within_s=_CLOSE_WITHIN_S)

    def _forget(self, session_id: SessionId) -> MessageQueue | None:
        """Let a queue end, and begin anew if there is one to come."""
        queue = self._queues.pop(session_id, None)
        if queue is not None:
            queue.close()
        return queue

    async def drain(self, within_s: float) -> None:
        """Begin nothing new, and wait for the outcomes of what is being sent, at most `within_s`."""
        self._is_draining = True
        try:
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as tasks:
                for queue in self._queues.values():
                    tasks.create_task(queue.drain())
        except TimeoutError:
            _log.warning("sends_cut_off", within_s=within_s)

    async def run(self) -> None:
        """Run every queue until cancelled, first those in which messages wait or are in flight."""
        for session_id in await self._parts.records.read(heads.sessions_with_open):
            self.wake(session_id)
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._keep(await self._new.get()))

    async def _keep(self, queue: MessageQueue) -> None:
        while not self._is_over(queue):
            try:
                await queue.run()
            except Exception:  # noqa: BLE001 (the bulkhead: one session's trouble stays its own)
                _log.exception("queue_failed", session_id=queue.session_id)
            if self._is_over(queue):
                return
            await self._parts.clock.sleep_until(self._parts.clock.now().boot_s + _AFTER_BUG_S)

    def _is_over(self, queue: MessageQueue) -> bool:
        return self._is_draining or queue.is_closed

    def _queue_of(self, session_id: SessionId) -> MessageQueue:
        queue = self._queues.get(session_id)
        if queue is None:
            queue = self._queues[session_id] = MessageQueue(session_id, self._parts)
            self._new.put_nowait(queue)
        return queue
