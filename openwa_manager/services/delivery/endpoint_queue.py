"""One endpoint as the dispatcher sees it: what waits for it, what is on its way, and whether it is worth asking."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from openwa_manager.domain.delivery.delivery import AttemptResult, Breaker, Delivered, DeliveryPolicy, Endpoint, Lane
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.outbox import StreamKey


@dataclass(slots=True, kw_only=True)
class Post:
    """A stream's permission to post its first event; `is_probe` asks whether the endpoint is back.

    `seq` is that of the event that was posted; 0 while none was.
    """

    key: StreamKey
    is_probe: bool
    seq: int = 0
    _patience: asyncio.Timeout | None = None

    @asynccontextmanager
    async def posting(self, seq: int) -> AsyncIterator[None]:
        """Let the event with this seq be on its way while the body runs.

        Raises:
            TimeoutError: a later one has overtaken it.
        """
        try:
            async with asyncio.timeout(None) as self._patience:
                self.seq = seq
                yield
        finally:
            self._patience = None

    def overtake(self, seq: int) -> None:
        """Give up on an earlier event that is on its way, since the one with this seq makes it pointless."""
        if self._patience is not None and seq > self.seq:
            self._patience.reschedule(asyncio.get_running_loop().time())
            self._patience = None  # once is enough


@dataclass(slots=True)
class EndpointQueue:
    """The dispatcher's memory of one endpoint; nothing here outlives the daemon."""

    endpoint: Endpoint
    policy: DeliveryPolicy
    breaker: Breaker = field(default_factory=Breaker)
    last_success_at: float | None = None
    _ready: dict[Lane, deque[StreamKey]] = field(default_factory=lambda: {lane: deque() for lane in Lane})
    _in_flight: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    _heartbeats: dict[SessionId | None, Event] = field(default_factory=dict)
    _is_probing: bool = False
    _probed_lane: Lane = Lane.MAIN

    @property
    def is_posting(self) -> bool:
        """Tell whether something is on its way there."""
        return any(self._in_flight.values())

    def change(self, endpoint: Endpoint) -> None:
        """Take over a changed endpoint: it deserves a fresh start."""
        if endpoint != self.endpoint:
            self.endpoint = endpoint
            self.breaker = Breaker()

    def queue(self, key: StreamKey) -> None:
        """Let a stream whose first event is due wait for its turn."""
        self._ready[key.lane].append(key)

    def queue_heartbeat(self, event: Event) -> None:
        """Let a heartbeat wait for its turn in place of the session's former one, if the endpoint asked for it."""
        if self.endpoint.wants(event):
            self._heartbeats[event.session_id] = event

    def forget_queue(self) -> None:
        """Let no stream wait any more; those on their way go on."""
        for waiting in self._ready.values():
            waiting.clear()

    def next_turn(self, boot_s: float) -> Post | None:
        """Return the stream that may post now; None when all must wait."""
        if self.breaker.probe_at is not None:
            return self._next_probe(boot_s, self.breaker.probe_at)
        for lane in (Lane.QR, Lane.MAIN):
            if self._ready[lane] and self._has_room(lane):
                return self._begin(lane, is_probe=False)
        return None

    def next_heartbeat(self) -> Event | None:
        """Return the heartbeat that may be posted now: a healthy endpoint has room and nothing better waits."""
        if not self._heartbeats or self.breaker.is_open or not self._has_room(Lane.MAIN):
            return None
        self._in_flight[Lane.MAIN] += 1
        return self._heartbeats.pop(next(iter(self._heartbeats)))

    def end(self, post: Post) -> None:
        """Free the place of a turn that is over."""
        self._in_flight[post.key.lane] -= 1
        if post.is_probe:
            self._is_probing = False

    def end_heartbeat(self) -> None:
        """Free the place of a heartbeat."""
        self._in_flight[Lane.MAIN] -= 1

    def note(self, result: AttemptResult, at: float, boot_s: float) -> None:
        """Learn from an outcome how the endpoint is."""
        self.breaker = self.breaker.after(result, boot_s, self.policy)
        if isinstance(result, Delivered):
            self.last_success_at = at

    def due_at(self) -> float | None:
        """Return the boot time of the next probe, if one is wanted; None when only an event can change anything."""
        waits = any(self._ready.values()) and not self._is_probing
        return self.breaker.probe_at if waits else None

    def _next_probe(self, boot_s: float, probe_at: float) -> Post | None:
        if self._is_probing or boot_s < probe_at:
            return None
        lanes = sorted(Lane, key=lambda lane: lane is self._probed_lane)  # the other lane first: neither starves
        lane = next((lane for lane in lanes if self._ready[lane]), None)
        if lane is None:
            return None
        self._is_probing, self._probed_lane = True, lane
        return self._begin(lane, is_probe=True)

    def _has_room(self, lane: Lane) -> bool:
        return self._in_flight[lane] < self.policy.parallel_max[lane]

    def _begin(self, lane: Lane, *, is_probe: bool) -> Post:
        self._in_flight[lane] += 1
        return Post(key=self._ready[lane].popleft(), is_probe=is_probe)
