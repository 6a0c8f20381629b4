"""Random walks through `Streams`, beside a model of the disk: whatever happens, nothing is lost or out of order."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, DeliveryPolicy, Endpoint, Lane, Retry
from openwa_manager.domain.delivery.endpoint_queue import Post, StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.delivery.streams import PendingStream, StreamPlace, Streams
from openwa_manager.domain.ports import Instant

#: Few places, so that they are soon full; the breaker opens at the second failure.
POLICY = DeliveryPolicy(parallel_max={Lane.MAIN: 2, Lane.QR: 1}, breaker_failures=2, probe_s=5.0, jitter=0.0)
ENDPOINTS = ("x", "y")
SESSIONS = ("", "a")
PLACED = (StreamPlace.WAITING, StreamPlace.QUEUED)
ON_ITS_WAY = (StreamPlace.POSTING, StreamPlace.TOUCHED)


@dataclass
class Delivery:
    """A pending row."""

    seq: int
    due_at: float = 0.0


@dataclass
class Walk:
    """The streams, the disk as it would be, and what the endpoints have seen; every step checks the promises."""

    streams: Streams = field(default_factory=lambda: Streams(POLICY))
    at: float = 1000.0
    seq: int = 0
    pending: dict[StreamKey, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    on_their_way: list[tuple[Post, int]] = field(default_factory=list)
    recorded: list[tuple[Post, int, float | None]] = field(default_factory=list)
    begun: list[StreamKey] = field(default_factory=list)
    unannounced: list[PendingStream] = field(default_factory=list)
    delivered: dict[StreamKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    active: dict[EndpointId, int] = field(default_factory=lambda: dict.fromkeys(map(EndpointId, ENDPOINTS), 0))

    @property
    def now(self) -> Instant:
        return Instant(at=self.at, boot_s=self.at)

    def store(self, session: str, is_code: bool, is_told: bool) -> None:
        """Store an event for every active endpoint; a code replaces the session's older ones."""
        self.seq += 1
        lane = Lane.QR if is_code else Lane.MAIN
        event = StoredEvent(seq=self.seq, id=f"evt_{self.seq}", event=Event(type="x", occurred_at=0.0))
        for endpoint_id in self.active:
            key = StreamKey(endpoint_id, lane, session)
            if is_code:
                self.pending[key].clear()
            self.pending[key].append(Delivery(self.seq))
            self.unannounced.append(PendingStream(key, self.seq, stored=None if is_code else event))
        if is_told:
            self.announce()

    def announce(self) -> None:
        """Tell of what was stored; an older code that is overtaken ends, and the next is due."""
        arrived, self.unannounced = self.unannounced, []
        self.overtake(self.streams.arrive(arrived, self.now))

    def overtake(self, codes: list[PendingStream]) -> None:
        """Give up on older codes that are on their way."""
        for newer in codes:
            assert newer.key.lane is Lane.QR
            for post, seq in self.on_their_way:
                if post.key == newer.key and seq < newer.seq:
                    self.record(post, seq, None)
                    break

    def begin(self) -> None:
        """Begin what may begin."""
        for post in self.streams.begin_posts(self.now):
            rows = self.pending[post.key]
            if post.stored is not None:
                assert rows
                assert post.stored.seq == rows[0].seq
            if not rows:  # what was to be posted is gone: nothing is sent
                self.streams.end(post, 0, None, self.now)
                continue
            if post.is_probe:
                queue = self.streams.queue_of(post.key.endpoint_id)
                assert queue.breaker.probe_at is not None
                assert queue.breaker.probe_at <= self.at
            assert rows[0].due_at <= self.at
            self.on_their_way.append((post, rows[0].seq))
            self.begun.append(post.key)

    def answer(self, index: int, result: AttemptResult) -> None:
        """Let an endpoint answer one of the posts that are on their way."""
        if self.on_their_way:
            post, seq = self.on_their_way[index % len(self.on_their_way)]
            self.record(post, seq, result)

    def record(self, post: Post, seq: int, result: AttemptResult | None) -> None:
        """Record the outcome as the worker does; None: it was overtaken. More may be stored before the post ends."""
        self.on_their_way.remove((post, seq))
        rows = self.pending[post.key]
        if result is not None:
            self.streams.queue_of(post.key.endpoint_id).note(result, self.now, post.key)
        if isinstance(result, Delivered):
            self.delivered[post.key].append(seq)
            rows[:] = [row for row in rows if row.seq != seq]
        elif result is not None and rows and rows[0].seq == seq:
            rows[0].due_at = self.at + 3.0
        self.recorded.append((post, seq, rows[0].due_at if rows else None))

    def end(self) -> None:
        """Let the posts end whose outcome is recorded."""
        recorded, self.recorded = self.recorded, []
        for post, seq, due_at in recorded:
            self.streams.end(post, seq, due_at, self.now)

    def pause_or_resume(self, endpoint_id: str) -> None:
        """Pause an active endpoint, or take a paused one up again; either way everything is read anew."""
        if self.active.pop(EndpointId(endpoint_id), None) is None:
            self.active[EndpointId(endpoint_id)] = 0
        self.read_anew()

    def move_endpoint(self, endpoint_id: str) -> None:
        """Give an active endpoint another URL."""
        if endpoint_id in self.active:
            self.active[EndpointId(endpoint_id)] += 1
        self.read_anew()

    def read_anew(self) -> None:
        """Read endpoints and undelivered events as they are on disk."""
        self.unannounced.clear()
        endpoints = [
            Endpoint(endpoint_id=each, url=f"http://{version}", secret="s", created_at=0.0, updated_at=0.0)
            for each, version in self.active.items()
        ]
        firsts = [PendingStream(key, rows[0].seq, rows[0].due_at) for key, rows in self.pending.items() if rows]
        self.overtake(self.streams.begin_anew(endpoints, firsts, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds

    def check(self) -> None:
        """Check what must hold after every step."""
        keys = [post.key for post, _ in self.on_their_way] + [post.key for post, _, _ in self.recorded]
        assert len(keys) == len(set(keys)), "two posts of one stream"
        for endpoint_id in map(EndpointId, ENDPOINTS):
            probes = [post for post, _ in self.on_their_way if post.is_probe and post.key.endpoint_id == endpoint_id]
            assert len(probes) <= 1
            for lane, most in POLICY.parallel_max.items():
                assert sum(key.endpoint_id == endpoint_id and key.lane is lane for key in keys) <= most
        untold = {each.key for each in self.unannounced}
        for key, rows in self.pending.items():
            place = self.streams.place_of(key)
            assert (place in ON_ITS_WAY) is (key in keys)
            if rows and key.endpoint_id in self.active and key not in untold and key not in keys:
                assert place in PLACED, "an event is lost"
        for post, seq in self.on_their_way:
            rows = self.pending[post.key]
            if post.key.lane is Lane.QR and post.key.endpoint_id in self.active and post.key not in untold and rows:
                assert seq == rows[0].seq, "an older code keeps a newer one waiting"
        for key, seqs in self.delivered.items():
            assert seqs == sorted(set(seqs)), f"out of order or twice: {key}"

    def finish(self) -> None:
        """Let every endpoint be active and answer well; all must arrive, the codes first of all."""
        self.active = dict.fromkeys(map(EndpointId, ENDPOINTS), 100)
        self.read_anew()
        self.end()
        for _ in range(1000):
            self.begin()
            while self.on_their_way:
                self.answer(0, Delivered(status=200))
                self.end()
                self.check()
                self.begin()
            due_s = self.streams.next_due_s()
            if due_s is None:
                break
            self.at = max(self.at, due_s)
        assert not any(self.pending.values())


Step = Callable[[Walk], None]
results = st.sampled_from([Delivered(status=200), Retry(reason="timeout"), Retry(reason="HTTP 500", status=500)])
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        lambda session, is_code, is_told: lambda walk: walk.store(session, is_code, is_told),
        st.sampled_from(SESSIONS),
        st.booleans(),
        st.booleans(),
    ),
    st.just(Walk.announce),
    st.just(Walk.begin),
    st.just(Walk.begin),
    st.just(Walk.end),
    st.just(Walk.end),
    st.builds(lambda index, result: lambda walk: walk.answer(index, result), st.integers(0, 5), results),
    st.builds(lambda seconds: lambda walk: walk.wait(seconds), st.sampled_from([0.5, 3.0, 5.0, 60.0])),
    st.builds(lambda name: lambda walk: walk.pause_or_resume(name), st.sampled_from(ENDPOINTS)),
    st.builds(lambda name: lambda walk: walk.move_endpoint(name), st.sampled_from(ENDPOINTS)),
    st.just(Walk.read_anew),
)


@pytest.mark.timeout(300)  # a failure takes a while to be made small
@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=30, max_size=60))
def test_whatever_happens_every_event_is_posted_once_and_in_its_turn(taken: list[Step]) -> None:
    walk = Walk()
    walk.read_anew()

    for step in taken:
        step(walk)
        walk.check()

    walk.announce()
    walk.finish()


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, min_size=20, max_size=40))
def test_a_daemon_that_ends_begins_no_post_but_its_own(taken: list[Step]) -> None:
    walk = Walk()
    walk.read_anew()
    for step in taken[: len(taken) // 2]:
        step(walk)
    walk.streams.drain()
    walk.begun.clear()

    for step in taken[len(taken) // 2 :]:
        step(walk)

    assert {key.session_id for key in walk.begun} <= {""}
