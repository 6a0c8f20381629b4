"""What waits for one endpoint and what is on its way there: which stream may post next, and whether only probes may."""

import dataclasses
from collections import deque
from dataclasses import field
from typing import NamedTuple

from openwa_manager.domain.delivery.delivery import (
    AttemptContext,
    AttemptResult,
    Breaker,
    Delivered,
    DeliveryPolicy,
    Endpoint,
    EndpointHealth,
    Lane,
    LastAnswer,
)
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.ports import Instant
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass


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


class HeartbeatPost(NamedTuple):
    """A heartbeat that may be posted now; `is_probe` asks whether the endpoint is back."""

    endpoint_id: EndpointId
    event: Event
    is_probe: bool


#: As many streams are kept in mind as may wait alone at one endpoint; of more, the first are forgotten.
_LONE_MAX = 10_000


@dataclasses.dataclass(slots=True)
class LoneWaits:
    """Which streams an endpoint refuses with 429 while it takes those of others.

    The first 429 makes the whole endpoint wait. If another stream succeeds after that wait, the next 429 of the same
    stream makes that stream alone wait, until it succeeds or the whole endpoint must wait again. So one session's limit
    at the receiver starves no other; a limit on all of them soon meets a stream that was not refused before.
    """

    _refused: dict[StreamKey, None] = field(default_factory=dict)
    _has_success: bool = False

    def has(self, key: StreamKey) -> bool:
        """Tell whether a 429 to this stream is about it alone."""
        return self._has_success and key in self._refused

    def note_refusal(self, key: StreamKey) -> None:
        """Learn that this stream made the whole endpoint wait."""
        self._has_success = False
        self._refused[key] = None
        if len(self._refused) > _LONE_MAX:
            del self._refused[next(iter(self._refused))]

    def note_success(self, key: StreamKey, *, is_waiting: bool) -> None:
        """Learn that the endpoint took an event of this stream; while it `is_waiting`, that says nothing of others."""
        self._refused.pop(key, None)
        self._has_success = self._has_success or not is_waiting


@dataclasses.dataclass(slots=True)
class EndpointQueue:
    """One endpoint in memory: its healthy lanes are served side by side, a failing one is probed.

    At most `policy.parallel_max` posts of a lane are on their way. While the breaker is open there is one post at a
    time, when the breaker says so; it comes from the lane that was not probed last, and from the stream that has
    waited longest, so that neither a lane nor a stream is starved by another. A heartbeat is the probe where no stream
    waits: a receiver that asks for heartbeats alone would else stay throttled or down for good.
    """

    endpoint: Endpoint
    policy: DeliveryPolicy
    breaker: Breaker = field(default_factory=Breaker)
    last: LastAnswer = field(default_factory=LastAnswer)
    last_success_at: float | None = None
    _ready: dict[Lane, deque[StreamKey]] = field(default_factory=lambda: {Lane.QR: deque(), Lane.MAIN: deque()})
    _in_flight: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    _heartbeats: dict[SessionId | None, Event] = field(default_factory=dict)
    _is_probing: bool = False
    _lone: LoneWaits = field(default_factory=LoneWaits)

    @property
    def is_posting(self) -> bool:
        """Tell whether something is on its way there."""
        return any(self._in_flight.values())

    def change(self, endpoint: Endpoint) -> None:
        """Take over a changed endpoint: the failures of the former one are not held against it."""
        if endpoint != self.endpoint:
            self.endpoint = endpoint
            self.breaker = Breaker()
            self.last = LastAnswer()
            self._lone = LoneWaits()

    def health(self, now: Instant) -> EndpointHealth:
        """Return how the endpoint is."""
        breaker = self.breaker
        left_s = None if breaker.probe_at is None else breaker.probe_at - now.boot_s
        is_awaited = left_s is not None and (left_s > 0 or self._has_probe())
        return EndpointHealth(
            last=self.last,
            is_throttled=breaker.is_throttled and (is_awaited or self._is_probing),
            down_since=self.last.failing_since if breaker.is_open and not breaker.is_throttled else None,
            next_probe_at=now.at + max(0.0, left_s) if left_s is not None and is_awaited else None,
        )

    def add(self, key: StreamKey) -> None:
        """Let a stream whose first event is due wait for its turn."""
        self._ready[key.lane].append(key)

    def add_heartbeat(self, event: Event) -> None:
        """Let a heartbeat wait for its turn in place of the session's former one, if the endpoint wants it."""
        if self.endpoint.wants(event):
            self._heartbeats[event.session_id] = event

    def drop_heartbeats(self) -> None:
        """Let no heartbeat wait any more."""
        self._heartbeats.clear()

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

    def next_heartbeat(self, boot_s: float) -> HeartbeatPost | None:
        """Return the heartbeat that may be posted now, when no event needs the place; None when all must wait."""
        is_probe = self.breaker.probe_at is not None
        if not self._heartbeats or not self._has_capacity(Lane.MAIN):
            return None
        if self.breaker.probe_at is not None:
            if self._is_probing or boot_s < self.breaker.probe_at or self._lane_to_probe() is not None:
                return None
            self._is_probing = True
        self._in_flight[Lane.MAIN] += 1
        event = self._heartbeats.pop(next(iter(self._heartbeats)))
        return HeartbeatPost(self.endpoint.endpoint_id, event, is_probe)

    def end(self, post: Post) -> None:
        """Free the place of a post that is over."""
        self._in_flight[post.key.lane] -= 1
        if post.is_probe:
            self._is_probing = False

    def end_heartbeat(self, post: HeartbeatPost) -> None:
        """Free the place of a heartbeat."""
        self._in_flight[Lane.MAIN] -= 1
        if post.is_probe:
            self._is_probing = False

    def note(self, result: AttemptResult, now: Instant, key: StreamKey) -> None:
        """Learn from the result of an attempt for a stream how the endpoint is."""
        is_throttling = self.policy.throttle_s(result) is not None
        if is_throttling and self._lone.has(key):
            self.breaker = Breaker()  # it is well: it takes what is of others
        else:
            self.breaker = self.breaker.after(result, now.boot_s, self.policy)
            if is_throttling:
                self._lone.note_refusal(key)
        self.last = self.last.then(result, now.at)
        if isinstance(result, Delivered):
            self.last_success_at = now.at
            self._lone.note_success(key, is_waiting=self.breaker.is_open)

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
        return self.breaker.probe_at if self._has_probe() and not self._is_probing else None

    def _next_probe(self, boot_s: float, probe_at: float) -> Post | None:
        if self._is_probing or boot_s < probe_at:
            return None
        lane = self._lane_to_probe()
        if lane is None:
            return None
        self._is_probing = True
        self._ready[lane] = self._ready.pop(lane)  # the other lane is the first to be asked the next time
        return self._begin(lane, is_probe=True)

    def _has_probe(self) -> bool:
        """Tell whether there is something that could be posted as the next probe."""
        return self._lane_to_probe() is not None or (bool(self._heartbeats) and self._has_capacity(Lane.MAIN))

    def _lane_to_probe(self) -> Lane | None:
        """Return the lane the next probe comes from; None while nothing may be sent at all."""
        return next((lane for lane, keys in self._ready.items() if keys and self._has_capacity(lane)), None)

    def _has_capacity(self, lane: Lane) -> bool:
        return self._in_flight[lane] < self.policy.parallel_max[lane]

    def _begin(self, lane: Lane, *, is_probe: bool) -> Post:
        self._in_flight[lane] += 1
        return Post(key=self._ready[lane].popleft(), is_probe=is_probe)
