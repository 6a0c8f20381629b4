"""Delivers the outbox: reads what is new, begins the posts that `Streams` allows, sleeps until something is due."""

import asyncio
from asyncio import TaskGroup
from collections.abc import Callable, Iterable, Sequence

from openwa_manager.domain.delivery.delivery import DeliveryPolicy, EndpointHealth
from openwa_manager.domain.delivery.endpoint_queue import HeartbeatPost, Post, StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.delivery.streams import PendingStream, Streams
from openwa_manager.domain.ports import Clock
from openwa_manager.metrics.tallies import DeliveryTally
from openwa_manager.services.delivery.attempts import DeliveryAttemptEnd, DeliveryWorker, EventSending
from openwa_manager.services.delivery.outbox_cursor import OutboxCursor
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.endpoints import load_active_endpoints


class Dispatcher:
    """Does what `Streams` decides: one task per post, all of them in the group of `run`.

    `announce` is called when it has put an event of its own in the outbox.
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
        self._streams = Streams(policy)
        self._cursor = OutboxCursor(database)
        self._sendings: dict[StreamKey, EventSending] = {}
        self._must_reread = True
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()

    @property
    def tally(self) -> DeliveryTally:
        """Return what is counted of deliveries."""
        return self._worker.tally

    def wake(self, stored: Sequence[StoredEvent] = ()) -> None:
        """Look at what is new in the outbox; call it after every save that put something there, if possible with it."""
        self._cursor.announce(stored)
        self._woken.set()

    def reread(self) -> None:
        """Read endpoints and undelivered events anew; call it after an endpoint was changed or events replayed."""
        self._must_reread = True
        self._woken.set()

    def is_down(self, endpoint_id: EndpointId) -> bool:
        """Tell whether an endpoint has failed so often in a row that only probes go there."""
        return self._streams.is_down(endpoint_id)

    def health_of(self, endpoint_id: EndpointId) -> EndpointHealth:
        """Return how an endpoint is, as far as was seen since the daemon began."""
        return self._streams.health_of(endpoint_id, self._clock.now())

    def post_heartbeat(self, event: Event) -> None:
        """Post a heartbeat once to every endpoint that wants it; one that still waits is replaced.

        An endpoint that is down or asked us to wait gets one when a probe is due and no event waits.
        """
        self._streams.add_heartbeat(event)
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled; what is on its way then is delivered again by the next daemon."""
        async with TaskGroup() as posts:
            while True:
                self._woken.clear()  # before looking: what comes while we look wakes us again
                await self._catch_up()
                self._begin_posts(posts)
                if not (self._streams.is_posting or self._must_reread or self._cursor):
                    self._idle.set()  # only `drain` waits for it, and clears it first
                await self._clock.wait(self._woken, self._streams.next_due_s())

    async def drain(self, timeout_s: float) -> None:
        """Post what the daemon has just said of itself and let what is on its way end; take `timeout_s` at most.

        No other post begins any more: retries and what waits are left to the next daemon.
        """
        self._streams.drain()
        self._idle.clear()
        self._woken.set()
        await self._clock.wait(self._idle, self._clock.now().boot_s + timeout_s)

    async def _catch_up(self) -> None:
        if self._must_reread:
            self._must_reread = False
            endpoints = await self._database.read(load_active_endpoints)
            pending = await self._cursor.read_all()
            self._overtake(self._streams.begin_anew(endpoints, pending, self._clock.now()))
        elif self._cursor:
            self._overtake(self._streams.arrive(await self._cursor.read_new(), self._clock.now()))

    def _overtake(self, newer: Iterable[PendingStream]) -> None:
        for each in newer:
            self._sendings[each.key].overtake(each.seq)

    def _begin_posts(self, tasks: TaskGroup) -> None:
        # What `Streams` gives out counts as on its way at once, so no stream has two posts, whatever awaits what.
        for post in self._streams.begin_posts(self._clock.now()):
            sending = self._sendings[post.key] = EventSending()
            tasks.create_task(self._post(post, sending))
        for heartbeat in self._streams.begin_heartbeats(self._clock.now().boot_s):
            tasks.create_task(self._post_heartbeat(heartbeat))

    async def _post(self, post: Post, sending: EventSending) -> None:
        ended = await self._worker.deliver(post, self._streams.queue_of(post.key.endpoint_id), sending)
        del self._sendings[post.key]
        self._streams.end(post, sending.seq, ended.due_at, self._clock.now(), ended.stored)
        self._follow_up(ended)
        self._woken.set()

    async def _post_heartbeat(self, heartbeat: HeartbeatPost) -> None:
        queue = self._streams.queue_of(heartbeat.endpoint_id)
        await self._worker.deliver_once(queue, heartbeat.event)
        queue.end_heartbeat(heartbeat)
        self._woken.set()

    def _follow_up(self, ended: DeliveryAttemptEnd) -> None:
        self._must_reread = self._must_reread or ended.is_disabled
        if ended.has_new_event:  # it was stored by SQL of its own, so nobody has its seq in hand
            self._cursor.announce(())
            self._announce()
