"""Delivers the outbox: each stream in order, many streams at once, asleep until something is due."""

import asyncio
import heapq
from asyncio import TaskGroup
from collections.abc import Callable, Sequence
from itertools import count

from openwa_manager.domain.delivery.delivery import DeliveryPolicy, Lane
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.ports import Clock
from openwa_manager.metrics import Durations
from openwa_manager.services.delivery.attempts import AttemptEnd, DeliveryWorker
from openwa_manager.services.delivery.endpoint_queue import EndpointQueue, Post
from openwa_manager.services.delivery.outbox_cursor import OutboxCursor, PendingStream
from openwa_manager.store.database import Database
from openwa_manager.store.endpoints import load_endpoints
from openwa_manager.store.outbox import StreamKey


class Dispatcher:
    """Owns the order of deliveries; in memory it holds one entry per stream, never one per event.

    A stream is in exactly one of three places: waiting (in `_waiting`), queued in its outlet, or posting. What comes
    in while it is posting is noted in `_touched`, so that its end does not overlook it. `announce` is called when it
    has put an event of its own in the outbox.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        delivery_worker: DeliveryWorker,
        policy: DeliveryPolicy,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._announce = announce
        self._database = database
        self._clock = clock
        self._worker = delivery_worker
        self._policy = policy
        self._queues: dict[EndpointId, EndpointQueue] = {}
        self._retired: dict[EndpointId, EndpointQueue] = {}
        self._known: set[StreamKey] = set()
        self._posting: dict[StreamKey, Post] = {}
        self._touched: set[StreamKey] = set()
        self._waiting: list[tuple[float, int, StreamKey]] = []
        self._order = count()
        self._cursor = OutboxCursor(database)
        self._fresh: dict[StreamKey, StoredEvent] = {}
        self._posted_seq = 0
        self._is_stale = True
        self._woken = asyncio.Event()

    @property
    def qr_push_times(self) -> Durations:
        """Return how long codes took until an endpoint had accepted them."""
        return self._worker.qr_push_times

    def wake(self, stored: Sequence[StoredEvent] = ()) -> None:
        """Look at what is new in the outbox; call it after every save that put something there, if possible with it."""
        self._cursor.announce(stored)
        self._woken.set()

    def reload(self) -> None:
        """Read endpoints and undelivered events anew; call it after an endpoint was changed or events replayed."""
        self._is_stale = True
        self._woken.set()

    def is_down(self, endpoint_id: EndpointId) -> bool:
        """Tell whether an endpoint has failed so often in a row that only probes go there."""
        queue = self._queues.get(endpoint_id)
        return queue is not None and queue.breaker.is_open

    def post_heartbeat(self, event: Event) -> None:
        """Post a heartbeat once to every healthy endpoint that asked for it; one that is still queued is replaced."""
        for queue in self._queues.values():
            queue.queue_heartbeat(event)
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled; what was under way then is delivered again by the next daemon."""
        async with TaskGroup() as posts:
            while True:
                self._woken.clear()
                await self._catch_up()
                self._queue_due()
                for queue in self._queues.values():
                    self._begin_posts(queue, posts)
                self._fresh.clear()  # whose turn has not come is read from disk when it does: memory holds no backlog
                await self._wait()

    async def _catch_up(self) -> None:
        if self._is_stale:
            self._is_stale = False
            await self._read_all()
        elif self._cursor:
            for pending in await self._cursor.read_new():
                self._arrive(pending)

    async def _read_all(self) -> None:
        endpoints = [endpoint for endpoint in await self._database.read(load_endpoints) if endpoint.is_active]
        pending_streams = await self._cursor.read_all()
        former, self._queues = {**self._retired, **self._queues}, {}
        for endpoint in endpoints:
            queue = former.pop(endpoint.endpoint_id, None) or EndpointQueue(endpoint, self._policy)
            queue.change(endpoint)
            queue.forget_queue()
            self._queues[endpoint.endpoint_id] = queue
        self._retired = {key: queue for key, queue in former.items() if queue.is_posting}  # they may come back soon
        self._waiting.clear()
        self._known = set(self._posting)
        for pending in pending_streams:
            self._arrive(pending)

    def _arrive(self, pending: PendingStream) -> None:
        """Take note that a stream has an undelivered event; a code that is on its way gives way to a newer one."""
        key, first, stored = pending
        if key in self._posting:
            self._touched.add(key)
            if key.lane is Lane.QR:
                self._posting[key].overtake(first.seq)
        elif key in self._known and key.lane is Lane.QR:
            self._hurry(key)
        elif key not in self._known:
            self._known.add(key)
            self._schedule(key, first.due_at)
            if stored is not None and stored.seq > self._posted_seq:  # else it may have been read and posted already
                self._fresh[key] = stored

    def _hurry(self, key: StreamKey) -> None:
        """Let a new code not wait for the retry of the older one it has replaced."""
        others = [waiting for waiting in self._waiting if waiting[2] != key]
        if len(others) < len(self._waiting):
            heapq.heapify(others)
            self._waiting = others
            self._schedule(key, 0.0)

    def _schedule(self, key: StreamKey, due_at: float) -> None:
        now = self._clock.now()
        heapq.heappush(self._waiting, (now.boot_s + max(0.0, due_at - now.at), next(self._order), key))

    def _queue_due(self) -> None:
        boot_s = self._clock.now().boot_s
        while self._waiting and self._waiting[0][0] <= boot_s:
            _, _, key = heapq.heappop(self._waiting)
            if queue := self._queues.get(key.endpoint_id):
                queue.queue(key)

    def _begin_posts(self, queue: EndpointQueue, posts: TaskGroup) -> None:
        boot_s = self._clock.now().boot_s
        while post := queue.next_turn(boot_s):
            self._posting[post.key] = post
            posts.create_task(self._post(queue, post, self._fresh.get(post.key)))
        while heartbeat := queue.next_heartbeat():
            posts.create_task(self._post_heartbeat(queue, heartbeat))

    async def _post(self, queue: EndpointQueue, post: Post, stored: StoredEvent | None) -> None:
        ended = await self._worker.deliver(queue, post, stored)
        queue.end(post)
        self._posting.pop(post.key, None)
        self._posted_seq = max(self._posted_seq, post.seq)
        self._follow_up(post.key, ended)
        self._woken.set()

    async def _post_heartbeat(self, queue: EndpointQueue, event: Event) -> None:
        await self._worker.deliver_once(queue, event)
        queue.end_heartbeat()
        self._woken.set()

    def _follow_up(self, key: StreamKey, ended: AttemptEnd) -> None:
        was_touched = key in self._touched
        self._touched.discard(key)
        self._is_stale = self._is_stale or ended.is_disabled
        if ended.has_told:
            self._cursor.announce(())
            self._announce()
        if ended.due_at is not None:
            self._schedule(key, ended.due_at)
        elif was_touched:
            self._schedule(key, 0.0)
        else:
            self._known.discard(key)

    async def _wait(self) -> None:
        """Wait until woken, or until the next event or probe is due."""
        due = [outlet_due for queue in self._queues.values() if (outlet_due := queue.due_at()) is not None]
        if self._waiting:
            due.append(self._waiting[0][0])
        await self._clock.wait(self._woken, min(due, default=None))
