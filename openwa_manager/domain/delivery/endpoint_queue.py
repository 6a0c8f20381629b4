"""What waits for one endpoint and what is on its way there: which stream may post next, and whether only probes may."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from openwa_manager.domain.delivery.delivery import (
    AttemptContext,
    AttemptResult,
    Breaker,
    Delivered,
    DeliveryPolicy,
    Endpoint,
    Lane,
)
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.ports import Instant
from openwa_manager.domain.session.session import SessionId


class StreamKey(NamedTuple):
    """Deliveries that must stay in order; `session_id` is empty for what the daemon itself says."""

    endpoint_id: EndpointId
    lane: Lane
    session_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A stream's permission to post its first event; `is_probe` asks whether the endpoint is back.

    `stored` is that event if it is known and was never tried; None: it must be read from disk.
    """

    key: StreamKey
    is_probe: bool
    stored: StoredEvent | None = None


@dataclass(slots=True)
class EndpointQueue:
    """One endpoint in memory: its healthy lanes are served side by side, a failing one is probed.

    At most `policy.parallel_max` posts of a lane are on their way. While the breaker is open there is one post at a
    time, when the breaker says so; it comes from the lane that was not probed last, and from the stream that has
    waited longest, so that neither a lane nor a stream is starved by another.
    """

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
        """Take over a changed endpoint: the failures of the former one are not held against it."""
        if endpoint != self.endpoint:
            self.endpoint = endpoint
            self.breaker = Breaker()

    def add(self, key: StreamKey) -> None:
        """Let a stream whose first event is due wait for its turn."""
        self._ready[key.lane].append(key)

    def add_heartbeat(self, event: Event) -> None:
        """Let a heartbeat wait for its turn in place of the session's former one, if the endpoint wants it."""
        if self.endpoint.wants(event):
            self._heartbeats[event.session_id] = event

    def clear(self) -> None:
        """Let no stream wait any more; those on their way go on."""
        for waiting in self._ready.values():
            waiting.clear()

    def next_post(self, boot_s: float) -> Post | None:
        """Return the post that may begin now; None when all must wait."""
        if self.breaker.probe_at is not None:
            return self._next_probe(boot_s, self.breaker.probe_at)
        for lane in (Lane.QR, Lane.MAIN):
            if self._ready[lane] and self._has_capacity(lane):
                return self._begin(lane, is_probe=False)
        return None

    def next_heartbeat(self) -> Event | None:
        """Return the heartbeat that may be posted now: to a healthy endpoint, and when no event needs the place."""
        if not self._heartbeats or self.breaker.is_open or not self._has_capacity(Lane.MAIN):
            return None
        self._in_flight[Lane.MAIN] += 1
        return self._heartbeats.pop(next(iter(self._heartbeats)))

    def end(self, post: Post) -> None:
        """Free the place of a post that is over."""
        self._in_flight[post.key.lane] -= 1
        if post.is_probe:
            self._is_probing = False

    def end_heartbeat(self) -> None:
        """Free the place of a heartbeat."""
        self._in_flight[Lane.MAIN] -= 1

    def note(self, result: AttemptResult, now: Instant) -> None:
        """Learn from the result of an attempt how the endpoint is."""
        self.breaker = self.breaker.after(result, now.boot_s, self.policy)
        if isinstance(result, Delivered):
            self.last_success_at = now.at

    def context(self, post: Post, at: float, chance: float) -> AttemptContext:
        """Return the circumstances of an attempt that has ended at wall time `at`, before its result is noted."""
        return AttemptContext(
            at=at,
            chance=chance,
            is_open=self.breaker.is_open,
            is_probe=post.is_probe,
            last_success_at=self.last_success_at,
        )

    def probe_due_s(self) -> float | None:
        """Return the boot time of the next probe, if one is wanted; None when only an event can change anything."""
        return None if self._is_probing or self._lane_to_probe() is None else self.breaker.probe_at

    def _next_probe(self, boot_s: float, probe_at: float) -> Post | None:
        if self._is_probing or boot_s < probe_at:
            return None
        lane = self._lane_to_probe()
        if lane is None:
            return None
        self._is_probing, self._probed_lane = True, lane
        return self._begin(lane, is_probe=True)

    def _lane_to_probe(self) -> Lane | None:
        """Return the lane the next probe comes from; None while nothing may be sent at all."""
        lanes = sorted(Lane, key=lambda lane: lane is self._probed_lane)
        return next((lane for lane in lanes if self._ready[lane] and self._has_capacity(lane)), None)

    def _has_capacity(self, lane: Lane) -> bool:
        return self._in_flight[lane] < self.policy.parallel_max[lane]

    def _begin(self, lane: Lane, *, is_probe: bool) -> Post:
        self._in_flight[lane] += 1
        return Post(key=self._ready[lane].popleft(), is_probe=is_probe)
