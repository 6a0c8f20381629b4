"""Delivers the outbox: each stream in order, many streams at once, asleep until something is due."""

import asyncio
import heapq
from asyncio import TaskGroup
from collections.abc import Callable, Sequence
from itertools import count

from openwa_manager.domain.delivery import DeliveryPolicy, Lane
from openwa_manager.domain.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.ports import Clock
from openwa_manager.metrics import Durations
from openwa_manager.services.attempts import Courier, Ended
from openwa_manager.services.outbox_cursor import Arrival, News
from openwa_manager.services.endpoint_queue import Outlet, Turn
from openwa_manager.services.rest import rest_until
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
        courier: Courier,
        policy: DeliveryPolicy,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        self._announce = announce
        self._database = database
        self._clock = clock
        self._courier = courier
        self._policy = policy
        self._outlets: dict[EndpointId, Outlet] = {}
        self._retired: dict[EndpointId, Outlet] = {}
        self._known: set[StreamKey] = set()
        self._posting: dict[StreamKey, Turn] = {}
        self._touched: set[StreamKey] = set()
        self._waiting: list[tuple[float, int, StreamKey]] = []
        self._order = count()
        self._news = News(database)
        self._fresh: dict[StreamKey, StoredEvent] = {}
        self._posted_seq = 0
        self._is_stale = True
        self._roused = asyncio.Event()

    @property
    def qr_push_times(self) -> Durations:
        """Return how long codes took until an endpoint had accepted them."""
        return self._courier.qr_push_times

    def wake(self, stored: Sequence[StoredEvent] = ()) -> None:
        """Look at what is new in the outbox; call it after every save that put something there, if possible with it."""
        self._news.announce(stored)
        self._roused.set()

    def reload(self) -> None:
        """Read endpoints and undelivered events anew; call it after an endpoint was changed or events replayed."""
        self._is_stale = True
        self._roused.set()

    def is_down(self, endpoint_id: EndpointId) -> bool:
        """Tell whether an endpoint has failed so often in a row that only probes go there."""
        outlet = self._outlets.get(endpoint_id)
        return outlet is not None and outlet.breaker.is_open

    def post_heartbeat(self, event: Event) -> None:
        """Post a heartbeat once to every healthy endpoint that asked for it; one that is still queued is replaced."""
        for outlet in self._outlets.values():
            outlet.queue_heartbeat(event)
        self._roused.set()

    async def run(self) -> None:
        """Deliver until cancelled; what was under way then is delivered again by the next daemon."""
        async with TaskGroup() as posts:
            while True:
                self._roused.clear()
                await self._catch_up()
                self._queue_due()
                for outlet in self._outlets.values():
                    self._begin_posts(outlet, posts)
                self._fresh.clear()  # whose turn has not come is read from disk when it does: memory holds no backlog
                await self._rest()

    async def _catch_up(self) -> None:
        if self._is_stale:
            self._is_stale = False
            await self._read_all()
        elif self._news:
            for arrival in await self._news.read_new():
                self._arrive(arrival)

    async def _read_all(self) -> None:
        endpoints = [endpoint for endpoint in await self._database.read(load_endpoints) if endpoint.is_active]
        arrivals = await self._news.read_all()
        former, self._outlets = {**self._retired, **self._outlets}, {}
        for endpoint in endpoints:
            outlet = former.pop(endpoint.endpoint_id, None) or Outlet(endpoint, self._policy)
            outlet.change(endpoint)
            outlet.forget_queue()
            self._outlets[endpoint.endpoint_id] = outlet
        self._retired = {key: outlet for key, outlet in former.items() if outlet.is_posting}  # they may come back soon
        self._waiting.clear()
        self._known = set(self._posting)
        for arrival in arrivals:
            self._arrive(arrival)

    def _arrive(self, arrival: Arrival) -> None:
        """Take note that a stream has an undelivered event; a code that is on its way gives way to a newer one."""
        key, first, stored = arrival
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
            if outlet := self._outlets.get(key.endpoint_id):
                outlet.queue(key)

    def _begin_posts(self, outlet: Outlet, posts: TaskGroup) -> None:
        boot_s = self._clock.now().boot_s
        while turn := outlet.next_turn(boot_s):
            self._posting[turn.key] = turn
            posts.create_task(self._post(outlet, turn, self._fresh.get(turn.key)))
        while heartbeat := outlet.next_heartbeat():
            posts.create_task(self._post_heartbeat(outlet, heartbeat))

    async def _post(self, outlet: Outlet, turn: Turn, stored: StoredEvent | None) -> None:
        ended = await self._courier.deliver(outlet, turn, stored)
        outlet.end(turn)
        self._posting.pop(turn.key, None)
        self._posted_seq = max(self._posted_seq, turn.seq)
        self._follow_up(turn.key, ended)
        self._roused.set()

    async def _post_heartbeat(self, outlet: Outlet, event: Event) -> None:
        await self._courier.deliver_once(outlet, event)
        outlet.end_heartbeat()
        self._roused.set()

    def _follow_up(self, key: StreamKey, ended: Ended) -> None:
        was_touched = key in self._touched
        self._touched.discard(key)
        self._is_stale = self._is_stale or ended.is_disabled
        if ended.has_told:
            self._news.announce(())
            self._announce()
        if ended.due_at is not None:
            self._schedule(key, ended.due_at)
        elif was_touched:
            self._schedule(key, 0.0)
        else:
            self._known.discard(key)

    async def _rest(self) -> None:
        """Sleep until roused, or until the next event or probe is due."""
        due = [outlet_due for outlet in self._outlets.values() if (outlet_due := outlet.due_at()) is not None]
        if self._waiting:
            due.append(self._waiting[0][0])
        await rest_until(self._clock, min(due, default=None), self._roused)
