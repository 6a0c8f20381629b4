"""Where every stream of deliveries stands and which may post next; pure: no I/O, and times are arguments."""

import heapq
from collections.abc import Iterable, Mapping
from enum import StrEnum, auto
from itertools import count
from typing import NamedTuple

from openwa_manager.domain.delivery.delivery import DeliveryPolicy, Endpoint, EndpointHealth, Lane
from openwa_manager.domain.delivery.endpoint_queue import EndpointQueue, HeartbeatPost, Post, StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.ports import Instant

# What a stream is. All deliveries to one endpoint that are about one session (or about the daemon itself), oldest
# first. On disk it is the rows of `delivery` that are still pending. In memory it is one entry, its place: memory
# grows with the number of streams, never with the number of events that wait.
#
# Why one post at a time. A receiver hears of a session in the order in which things happened. A second event that is
# posted before the first is answered may overtake it, and certainly does when the first must be retried. So the next
# post begins only when the outcome of the one before is on disk. A daemon that is killed in between repeats one
# event; it never swaps two. Streams do not wait for each other: one stuck session holds up no other.
#
# Why a post may be TOUCHED. An event may be stored while the stream's post is being recorded. The record says "nothing
# is left" although something has just come. So an arrival during a post is kept in mind, and its end looks again. To
# look once too often costs one read; to look once too little would leave an event until the next one comes.
#
# Why codes have a lane. A QR code lives for 20 to 60 seconds. Behind a stuck event of its session, or behind sixteen
# slow posts, it would arrive when nobody can scan it. So the codes of a session are a stream of their own, in a lane
# with places of its own, served first. Only the newest code is of use: storing it deletes the older ones from disk. So
# a new code does not wait for the retry of an older one, and an older one on its way is given up (it is overtaken).
#
# What the breaker does. It belongs to the endpoint, not to the stream (EndpointQueue). While it is open, streams that
# are due stay QUEUED, and one at a time is let through as a probe. A failed probe goes to the end of the queue, so
# that every stream is tried in turn: one event an endpoint chokes on does not keep it closed for all the others.
#
# What is not kept here. Streams of an endpoint that is paused, disabled or removed are ABSENT: the disk keeps them,
# and whoever resumes the endpoint has everything read anew. While the daemon ends the same is true of all streams but
# those of the daemon itself, so that `manager.stopping` still goes out: the next daemon reads the rest from disk.


class StreamPlace(StrEnum):
    """Where a stream stands; each is in exactly one place."""

    ABSENT = auto()  #: nothing undelivered is known of it; it takes no memory
    WAITING = auto()  #: its first event is not due yet
    QUEUED = auto()  #: its first event is due, and waits for its turn at the endpoint
    POSTING = auto()  #: its first event is on its way, or its outcome is being recorded
    TOUCHED = auto()  #: the same, and something has arrived since


class StreamStimulus(StrEnum):
    """What happens to a stream."""

    EVENT_ARRIVED = auto()  #: an event for it is on disk
    CODE_ARRIVED = auto()  #: a code is on disk, and the session's older ones are no longer
    DUE = auto()  #: the time of its first event has come
    POST_BEGUN = auto()  #: it is its turn
    ENDED_WITH_NEXT = auto()  #: a post is recorded, and a next event or a retry is on disk
    ENDED_EMPTY = auto()  #: a post is recorded, and the record found nothing else
    READ_ANEW = auto()  #: endpoints or deliveries were changed; what is on disk arrives after this
    ENDPOINT_LEFT = auto()  #: its endpoint is paused, disabled or removed
    DRAINED = auto()  #: the daemon ends


_ABSENT, _WAITING, _QUEUED = StreamPlace.ABSENT, StreamPlace.WAITING, StreamPlace.QUEUED
_POSTING, _TOUCHED = StreamPlace.POSTING, StreamPlace.TOUCHED

#: stimulus -> place -> next place. A pair that is absent cannot happen. An event that arrives is never forgotten: each
#: row of an arrival leads to a place from which a post begins. Only POST_BEGUN leads to a post, and only from QUEUED.
PLACES: Mapping[StreamStimulus, Mapping[StreamPlace, StreamPlace]] = {
    StreamStimulus.EVENT_ARRIVED: {
        _ABSENT: _WAITING,
        _WAITING: _WAITING,  # behind the first
        _QUEUED: _QUEUED,
        _POSTING: _TOUCHED,
        _TOUCHED: _TOUCHED,
    },
    StreamStimulus.CODE_ARRIVED: {
        _ABSENT: _WAITING,
        _WAITING: _WAITING,  # and due at once: the code whose retry was waited for is gone
        _QUEUED: _QUEUED,
        _POSTING: _TOUCHED,  # and the older code on its way is overtaken
        _TOUCHED: _TOUCHED,
    },
    StreamStimulus.DUE: {_WAITING: _QUEUED},
    StreamStimulus.POST_BEGUN: {_QUEUED: _POSTING},
    StreamStimulus.ENDED_WITH_NEXT: {_POSTING: _WAITING, _TOUCHED: _WAITING},
    StreamStimulus.ENDED_EMPTY: {_POSTING: _ABSENT, _TOUCHED: _WAITING},  # due at once: the record may be older
    StreamStimulus.READ_ANEW: {_WAITING: _ABSENT, _QUEUED: _ABSENT, _POSTING: _POSTING, _TOUCHED: _TOUCHED},
    StreamStimulus.ENDPOINT_LEFT: {
        _ABSENT: _ABSENT,
        _WAITING: _ABSENT,
        _QUEUED: _ABSENT,
        _POSTING: _POSTING,
        _TOUCHED: _TOUCHED,
    },
    StreamStimulus.DRAINED: {
        _ABSENT: _ABSENT,
        _WAITING: _ABSENT,
        _QUEUED: _ABSENT,
        _POSTING: _POSTING,
        _TOUCHED: _TOUCHED,
    },
}


#: Of how many streams the next event is kept in memory while others have their turn, and how long it is believed to be
#: what the disk has: no longer than a post takes anyway.
_AT_HAND_MAX, _AT_HAND_S = 64, 1.0


class PendingStream(NamedTuple):
    """A stream with an undelivered event: the event's seq, and when it is due (wall time; 0 is at once).

    `stored` is the event itself; None: it must be read from disk.
    """

    key: StreamKey
    seq: int
    due_at: float = 0.0
    stored: StoredEvent | None = None


class Streams:
    """All streams, and the queues of the endpoints they go to; its caller posts what `begin_posts` returns.

    Whatever happens, at most one post of a stream is on its way, and a stream with an undelivered event of an active
    endpoint is WAITING, QUEUED or on its way.
    """

    def __init__(self, policy: DeliveryPolicy) -> None:
        self._policy = policy
        self._queues: dict[EndpointId, EndpointQueue] = {}
        self._retired: dict[EndpointId, EndpointQueue] = {}
        self._places: dict[StreamKey, StreamPlace] = {}
        self._due: list[tuple[float, int, StreamKey]] = []  # the heap of those that wait, by boot time
        self._order = count()
        self._arrived: dict[StreamKey, StoredEvent] = {}
        self._at_hand: dict[StreamKey, tuple[StoredEvent, float]] = {}
        self._posted_seq = 0
        self._is_draining = False

    @property
    def is_posting(self) -> bool:
        """Tell whether anything is on its way."""
        return any(queue.is_posting for queue in (*self._queues.values(), *self._retired.values()))

    def place_of(self, key: StreamKey) -> StreamPlace:
        """Return where a stream stands."""
        return self._places.get(key, _ABSENT)

    def queue_of(self, endpoint_id: EndpointId) -> EndpointQueue:
        """Return the queue of an endpoint that is active, or that something is still on its way to.

        Raises:
            KeyError: it is neither.
        """
        return self._queues.get(endpoint_id) or self._retired[endpoint_id]

    def is_down(self, endpoint_id: EndpointId) -> bool:
        """Tell whether an endpoint has failed so often in a row that only probes go there."""
        queue = self._queues.get(endpoint_id)
        return queue is not None and queue.breaker.is_open and not queue.breaker.is_throttled

    def health_of(self, endpoint_id: EndpointId, now: Instant) -> EndpointHealth:
        """Return how an endpoint is; nothing is known of one that nothing is posted to."""
        queue = self._queues.get(endpoint_id)
        return EndpointHealth() if queue is None else queue.health(now)

    def begin_anew(
        self, endpoints: Iterable[Endpoint], pending: Iterable[PendingStream], now: Instant
    ) -> list[PendingStream]:
        """Begin anew with these active endpoints and all that is undelivered; what is on its way goes on.

        Returns what `arrive` returns.
        """
        former, self._queues = {**self._retired, **self._queues}, {}
        for endpoint in endpoints:
            queue = former.pop(endpoint.endpoint_id, None) or EndpointQueue(endpoint, self._policy)
            queue.change(endpoint)
            self._queues[endpoint.endpoint_id] = queue
        self._retired = {key: queue for key, queue in former.items() if queue.is_posting}  # they may come back soon
        for queue in (*self._queues.values(), *self._retired.values()):
            queue.clear()
        self._due.clear()
        self._at_hand.clear()
        for key in tuple(self._places):
            is_here = key.endpoint_id in self._queues
            self._move(key, StreamStimulus.READ_ANEW if is_here else StreamStimulus.ENDPOINT_LEFT)
        return self.arrive(pending, now)

    def arrive(self, pending: Iterable[PendingStream], now: Instant) -> list[PendingStream]:
        """Take note of streams that have undelivered events, oldest first.

        Returns those whose post on its way is overtaken, if what is posted is older than the `seq` here.
        """
        overtaking = []
        for each in pending:
            key, is_code = each.key, each.key.lane is Lane.QR
            before = self.place_of(key)
            if before is _ABSENT and not self._is_taken(key):
                continue
            self._move(key, StreamStimulus.CODE_ARRIVED if is_code else StreamStimulus.EVENT_ARRIVED)
            if before is _ABSENT:
                self._schedule(key, each.due_at, now)
                if each.stored is not None and each.stored.seq > self._posted_seq:  # else it may be posted already
                    self._arrived[key] = each.stored
            elif before is _WAITING and is_code:
                self._reschedule(key, now)
            elif before in (_POSTING, _TOUCHED) and is_code:
                overtaking.append(each)
        return overtaking

    def begin_posts(self, now: Instant) -> list[Post]:
        """Return the posts that begin now."""
        while self._due and self._due[0][0] <= now.boot_s:
            _, _, key = heapq.heappop(self._due)
            self._move(key, StreamStimulus.DUE)
            self._queues[key.endpoint_id].add(key)
        posts: list[Post] = []
        for queue in self._queues.values():
            while post := queue.next_post(now.boot_s):
                self._move(post.key, StreamStimulus.POST_BEGUN)
                stored = self._take_at_hand(post.key, now) or self._arrived.get(post.key)
                posts.append(Post(key=post.key, is_probe=post.is_probe, stored=stored))
        self._arrived.clear()  # whose turn has not come is read from disk when it does: memory holds no backlog
        return posts

    def end(
        self, post: Post, posted_seq: int, due_at: float | None, now: Instant, stored: StoredEvent | None = None
    ) -> None:
        """Take note that the outcome of a post is on disk.

        `posted_seq` is that of the event it was (0: none was left), `due_at` when the next one of the stream is due
        (wall time; None: the record found none), `stored` that next one if the record read it and it was never tried.
        """
        self.queue_of(post.key.endpoint_id).end(post)
        self._posted_seq = max(self._posted_seq, posted_seq)
        ended = StreamStimulus.ENDED_EMPTY if due_at is None else StreamStimulus.ENDED_WITH_NEXT
        self._move(post.key, ended)
        if not self._is_taken(post.key):
            is_here = post.key.endpoint_id in self._queues
            self._move(post.key, StreamStimulus.DRAINED if is_here else StreamStimulus.ENDPOINT_LEFT)
        if self.place_of(post.key) is _WAITING:
            self._schedule(post.key, due_at or 0.0, now)
            if stored is not None and post.key.lane is not Lane.QR:  # a code may be replaced before its turn comes
                self._keep_at_hand(post.key, stored, now)

    def drain(self) -> None:
        """Begin no posts any more but those of the daemon's own events; what is on its way goes on."""
        self._is_draining = True
        for queue in self._queues.values():
            queue.clear()
            queue.drop_heartbeats()
        for key, place in tuple(self._places.items()):
            if not self._is_taken(key):
                self._move(key, StreamStimulus.DRAINED)
            elif place is _QUEUED:
                self._queues[key.endpoint_id].add(key)
        self._due = [each for each in self._due if self._is_taken(each[2])]
        heapq.heapify(self._due)

    def add_heartbeat(self, event: Event) -> None:
        """Let a heartbeat wait for its turn at every endpoint that wants it; none while the daemon ends."""
        for queue in () if self._is_draining else self._queues.values():
            queue.add_heartbeat(event)

    def begin_heartbeats(self, boot_s: float) -> list[HeartbeatPost]:
        """Return the heartbeats whose posts begin now; each is to be ended at its endpoint's queue."""
        heartbeats: list[HeartbeatPost] = []
        for queue in self._queues.values():
            while heartbeat := queue.next_heartbeat(boot_s):
                heartbeats.append(heartbeat)
        return heartbeats

    def next_due_s(self) -> float | None:
        """Return the boot time at which the next event or probe is due; None when only an arrival changes anything."""
        due_s = [probe_s for queue in self._queues.values() if (probe_s := queue.probe_due_s()) is not None]
        if self._due:
            due_s.append(self._due[0][0])
        return min(due_s, default=None)

    def _is_taken(self, key: StreamKey) -> bool:
        """Tell whether posts of this stream may begin: its endpoint is active, and the daemon does not end."""
        return key.endpoint_id in self._queues and not (self._is_draining and key.session_id)

    def _move(self, key: StreamKey, stimulus: StreamStimulus) -> None:
        place = PLACES[stimulus][self.place_of(key)]
        if place is _ABSENT:
            self._places.pop(key, None)
        else:
            self._places[key] = place

    def _schedule(self, key: StreamKey, due_at: float, now: Instant) -> None:
        left_s = min(due_at - now.at, self._policy.pause_max_s)  # the wall clock may have been set since
        due_s = now.boot_s + max(0.0, left_s)
        heapq.heappush(self._due, (due_s, next(self._order), key))

    def _keep_at_hand(self, key: StreamKey, stored: StoredEvent, now: Instant) -> None:
        """Keep what a record has read of the next event of a stream, for some streams, until its turn comes soon."""
        self._at_hand.pop(key, None)
        if len(self._at_hand) >= _AT_HAND_MAX:
            del self._at_hand[next(iter(self._at_hand))]
        self._at_hand[key] = stored, now.boot_s + _AT_HAND_S

    def _take_at_hand(self, key: StreamKey, now: Instant) -> StoredEvent | None:
        stored, until_boot_s = self._at_hand.pop(key, (None, 0.0))
        return stored if now.boot_s < until_boot_s else None

    def _reschedule(self, key: StreamKey, now: Instant) -> None:
        """Make a stream that waits due at once."""
        self._due = [each for each in self._due if each[2] != key]
        heapq.heapify(self._due)
        self._schedule(key, 0.0, now)
