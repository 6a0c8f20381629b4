"""Where a stream stands after each thing that can happen to it, and what the rules of posting promise."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest

from openwa_manager.domain.delivery.delivery import Delivered, DeliveryPolicy, Endpoint, Lane, Retry
from openwa_manager.domain.delivery.endpoint_queue import Post, StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event, StoredEvent
from openwa_manager.domain.delivery.streams import PLACES, PendingStream, StreamPlace, Streams, StreamStimulus
from openwa_manager.domain.ports import Instant
from openwa_manager.domain.session.session import SessionId

POLICY = DeliveryPolicy(jitter=0.0)
NOW = Instant(at=1_800_000_000.0, boot_s=1000.0)
EP = EndpointId("ep_1")
DOWN = Retry(reason="timeout")


def later(seconds: float) -> Instant:
    return Instant(at=NOW.at + seconds, boot_s=NOW.boot_s + seconds)


def an_endpoint(name: str = "ep_1", url: str = "http://x") -> Endpoint:
    return Endpoint(endpoint_id=EndpointId(name), url=url, secret="s", created_at=0.0, updated_at=0.0)


def a_key(session: str = "a", lane: Lane = Lane.MAIN, endpoint: str = "ep_1") -> StreamKey:
    return StreamKey(EndpointId(endpoint), lane, session)


def streams_of(*pending: PendingStream, endpoints: Iterable[Endpoint] = (an_endpoint(),)) -> Streams:
    """Return streams with these endpoints and arrivals."""
    streams = Streams(POLICY)
    streams.begin_anew(endpoints, pending, NOW)
    return streams


def fail(streams: Streams, post: Post, now: Instant) -> None:
    """End a post that failed and is due again at once."""
    streams.queue_of(post.key.endpoint_id).note(DOWN, now, post.key)
    streams.end(post, 1, 0.0, now)


def broken_down(*keys: StreamKey) -> Streams:
    """Return streams that wait for an endpoint whose breaker opened at NOW."""
    streams = streams_of()
    for _ in range(POLICY.breaker_failures):
        streams.queue_of(EP).note(DOWN, NOW, a_key())
    streams.arrive([PendingStream(key, 1) for key in keys], NOW)
    return streams


def test_the_table_names_every_stimulus_and_no_row_forgets_an_arrival() -> None:
    assert set(PLACES) == set(StreamStimulus)
    for arrival in (StreamStimulus.EVENT_ARRIVED, StreamStimulus.CODE_ARRIVED):
        assert set(PLACES[arrival]) == set(StreamPlace)
        assert StreamPlace.ABSENT not in PLACES[arrival].values()
    posts = {(each, before) for each, row in PLACES.items() for before, after in row.items() if before is not after}
    begun = {(each, before) for each, before in posts if PLACES[each][before] is StreamPlace.POSTING}
    assert begun == {(StreamStimulus.POST_BEGUN, StreamPlace.QUEUED)}


def test_an_event_that_is_due_is_posted_and_its_stream_forgotten() -> None:
    stored = StoredEvent(seq=1, id="evt_1", event=Event(type="x", occurred_at=0.0), endpoint_ids=(EP,))
    streams = streams_of(PendingStream(a_key(), 1, stored=stored))

    (post,) = streams.begin_posts(NOW)
    assert (post.key, post.stored, post.is_probe) == (a_key(), stored, False)
    assert streams.place_of(a_key()) is StreamPlace.POSTING
    streams.end(post, 1, None, NOW)

    assert streams.place_of(a_key()) is StreamPlace.ABSENT
    assert not streams.is_posting
    assert streams.next_due_s() is None


def test_what_may_have_been_posted_already_is_read_from_disk() -> None:
    streams = streams_of(PendingStream(a_key(), 5))
    (post,) = streams.begin_posts(NOW)
    streams.end(post, 5, None, NOW)

    stored = StoredEvent(seq=5, id="evt_5", event=Event(type="x", occurred_at=0.0))
    streams.arrive([PendingStream(a_key(), 5, stored=stored)], NOW)

    assert streams.begin_posts(NOW)[0].stored is None


def test_an_event_behind_a_failed_one_waits_for_its_retry() -> None:
    streams = streams_of(PendingStream(a_key(), 1))
    (post,) = streams.begin_posts(NOW)

    streams.arrive([PendingStream(a_key(), 2)], NOW)
    assert streams.place_of(a_key()) is StreamPlace.TOUCHED
    streams.end(post, 1, NOW.at + 2.0, NOW)
    streams.arrive([PendingStream(a_key(), 3)], NOW)

    assert streams.next_due_s() == NOW.boot_s + 2.0
    assert streams.begin_posts(later(1.9)) == []
    assert len(streams.begin_posts(later(2.0))) == 1


def test_what_arrives_while_an_outcome_is_recorded_is_not_overlooked() -> None:
    streams = streams_of(PendingStream(a_key(), 1))
    (post,) = streams.begin_posts(NOW)
    streams.arrive([PendingStream(a_key(), 2)], NOW)

    streams.end(post, 1, None, NOW)

    assert [each.key for each in streams.begin_posts(NOW)] == [a_key()]


def test_a_new_code_waits_for_no_retry_and_overtakes_what_is_on_its_way() -> None:
    code = a_key(lane=Lane.QR)
    streams = streams_of(PendingStream(code, 1))
    (post,) = streams.begin_posts(NOW)
    streams.end(post, 1, NOW.at + 10.0, NOW)

    assert streams.arrive([PendingStream(code, 2)], NOW) == []
    (second,) = streams.begin_posts(NOW)
    newer = PendingStream(code, 3)

    assert streams.arrive([newer], NOW) == [newer]
    streams.end(second, 0, 0.0, NOW)
    assert len(streams.begin_posts(NOW)) == 1


def test_an_event_overtakes_nothing() -> None:
    streams = streams_of(PendingStream(a_key(), 1))
    streams.begin_posts(NOW)

    assert streams.arrive([PendingStream(a_key(), 2)], NOW) == []


def test_a_lane_has_its_own_number_of_places() -> None:
    keys = [a_key(f"s{number}", lane) for number in range(20) for lane in Lane]

    posts = streams_of(*(PendingStream(key, 1) for key in keys)).begin_posts(NOW)

    assert {lane: sum(post.key.lane is lane for post in posts) for lane in Lane} == POLICY.parallel_max


def test_probes_come_one_at_a_time_when_due_and_from_lanes_and_streams_in_turn() -> None:
    keys = [a_key("a"), a_key("b"), a_key("a", Lane.QR), a_key("b", Lane.QR)]
    streams = broken_down(*keys)
    probed = []

    for number in range(1, 5):
        now = later(POLICY.probe_s * number)
        assert streams.begin_posts(later(POLICY.probe_s * number - 0.1)) == []
        assert streams.next_due_s() == now.boot_s
        (probe,) = streams.begin_posts(now)
        assert probe.is_probe
        assert streams.begin_posts(now) == []
        fail(streams, probe, now)
        probed.append(probe.key)

    assert set(probed) == set(keys)
    assert all(before.lane is not after.lane for before, after in pairwise(probed))


def test_a_probe_that_succeeds_lets_all_go() -> None:
    streams = broken_down(*(a_key(f"s{number}") for number in range(5)))
    assert streams.is_down(EP)
    (probe,) = streams.begin_posts(later(30.0))

    before = streams.queue_of(EP).context(probe, at=later(30.0).at, chance=0.5)
    streams.queue_of(EP).note(Delivered(status=200), later(30.0), a_key())
    streams.end(probe, 1, None, later(30.0))

    assert (before.is_open, before.is_probe, before.last_success_at) == (True, True, None)
    after = streams.queue_of(EP).context(probe, at=later(30.0).at, chance=0.5)
    assert (after.is_open, after.last_success_at) == (False, later(30.0).at)
    assert not streams.is_down(EP)
    assert len(streams.begin_posts(later(30.0))) == 4


def test_an_endpoint_that_is_down_does_not_hold_up_another() -> None:
    streams = streams_of(endpoints=(an_endpoint(), an_endpoint("ep_2")))
    for _ in range(POLICY.breaker_failures):
        streams.queue_of(EP).note(DOWN, NOW, a_key())

    streams.arrive([PendingStream(a_key(endpoint=name), 1) for name in ("ep_1", "ep_2")], NOW)

    assert [post.key.endpoint_id for post in streams.begin_posts(NOW)] == ["ep_2"]


def test_an_endpoint_that_leaves_and_returns_keeps_its_posts_and_its_failures() -> None:
    streams = streams_of(PendingStream(a_key(), 1), PendingStream(a_key("b"), 1, NOW.at + 9.0))
    (post,) = streams.begin_posts(NOW)
    streams.queue_of(EP).note(DOWN, NOW, a_key())

    streams.begin_anew([], [], NOW)
    assert streams.place_of(a_key()) is StreamPlace.POSTING
    assert streams.place_of(a_key("b")) is StreamPlace.ABSENT
    assert streams.is_posting
    streams.begin_anew([an_endpoint()], [PendingStream(a_key(), 1)], NOW)

    assert streams.begin_posts(NOW) == []
    assert streams.queue_of(EP).breaker.failures == 1
    streams.end(post, 1, None, NOW)
    assert len(streams.begin_posts(NOW)) == 1


def test_a_post_that_ends_after_its_endpoint_has_left_leaves_nothing_behind() -> None:
    streams = streams_of(PendingStream(a_key(), 1))
    (post,) = streams.begin_posts(NOW)
    streams.begin_anew([], [], NOW)

    streams.end(post, 1, 0.0, NOW)

    assert streams.place_of(a_key()) is StreamPlace.ABSENT
    assert (streams.begin_posts(NOW), streams.next_due_s(), streams.is_posting) == ([], None, False)
    streams.arrive([PendingStream(a_key(), 1)], NOW)
    assert streams.begin_posts(NOW) == []


def test_a_changed_endpoint_begins_with_no_failures() -> None:
    streams = broken_down(a_key())

    streams.begin_anew([an_endpoint()], [PendingStream(a_key(), 1)], NOW)
    assert streams.begin_posts(NOW) == []
    streams.begin_anew([an_endpoint(url="http://y")], [PendingStream(a_key(), 1)], NOW)

    assert len(streams.begin_posts(NOW)) == 1


def test_while_the_daemon_ends_only_its_own_events_are_posted() -> None:
    own = a_key("")
    waiting = [
        PendingStream(a_key("b"), 1, NOW.at + 5.0),
        PendingStream(own._replace(endpoint_id=EndpointId("ep_2")), 1),
    ]
    streams = streams_of(PendingStream(a_key(), 1), *waiting, endpoints=(an_endpoint(), an_endpoint("ep_2")))
    posts = {post.key: post for post in streams.begin_posts(NOW)}

    streams.drain()
    streams.arrive([PendingStream(own, 2), PendingStream(a_key("c"), 3), PendingStream(a_key(), 4)], NOW)
    begun = streams.begin_posts(later(5.0))
    streams.end(posts[a_key()], 1, 0.0, later(5.0))

    assert [post.key for post in begun] == [own]
    assert streams.begin_posts(later(9.0)) == []
    assert streams.next_due_s() is None


def test_an_own_event_that_was_due_already_is_still_posted_by_a_daemon_that_ends() -> None:
    full = [PendingStream(a_key(f"s{number}"), 1) for number in range(16)]
    streams = streams_of(*full, PendingStream(a_key(""), 2))
    posts = streams.begin_posts(NOW)

    streams.drain()
    streams.end(posts[0], 1, None, NOW)

    assert [post.key for post in streams.begin_posts(NOW)] == [a_key("")]


def a_heartbeat(session: str = "a", number: int = 1) -> Event:
    return Event(type="session.heartbeat", occurred_at=0.0, session_id=SessionId(session), data={"number": number})


def test_only_the_newest_heartbeat_of_a_session_is_posted_and_none_by_a_daemon_that_ends() -> None:
    streams = streams_of()
    for number in (1, 2):
        streams.add_heartbeat(a_heartbeat(number=number))

    (begun,) = streams.begin_heartbeats(NOW.boot_s)
    assert begun.event.data == {"number": 2}
    was_posting = streams.is_posting
    streams.queue_of(EP).end_heartbeat(begun)
    assert (was_posting, streams.is_posting) == (True, False)
    streams.add_heartbeat(a_heartbeat())
    streams.drain()
    streams.add_heartbeat(a_heartbeat("b"))

    assert streams.begin_heartbeats(NOW.boot_s) == []


@pytest.mark.parametrize("wanted", [("session.qr",), ("*",)])
def test_a_heartbeat_goes_to_a_healthy_endpoint_that_wants_it(wanted: tuple[str, ...]) -> None:
    streams = streams_of(endpoints=(replace(an_endpoint(), events=wanted),))
    streams.add_heartbeat(a_heartbeat())

    assert bool(streams.begin_heartbeats(NOW.boot_s)) is (wanted == ("*",))
    streams.add_heartbeat(a_heartbeat())
    for _ in range(POLICY.breaker_failures):
        streams.queue_of(EP).note(DOWN, NOW, a_key())
    assert streams.begin_heartbeats(NOW.boot_s) == []


def test_a_probe_that_is_due_needs_an_event_to_post() -> None:
    queue = broken_down().queue_of(EP)
    assert queue.breaker.probe_at is not None
    assert queue.next_post(queue.breaker.probe_at) is None

    queue.add(a_key())

    assert queue.next_post(queue.breaker.probe_at) == Post(key=a_key(), is_probe=True)


def _stored(seq: int) -> StoredEvent:
    return StoredEvent(seq=seq, id=f"evt_{seq}", event=Event(type="x", occurred_at=0.0))


@pytest.mark.parametrize(
    ("waited_s", "lane", "is_at_hand"), [(0.9, "main", True), (1.0, "main", False), (0, "qr", False)]
)
def test_what_a_record_has_read_is_posted_soon_or_read_again(*, waited_s: float, lane: str, is_at_hand: bool) -> None:
    key = a_key(lane=Lane(lane))
    streams = streams_of(PendingStream(key, 1))
    (post,) = streams.begin_posts(NOW)

    streams.end(post, 1, 0.0, NOW, _stored(2))

    (post,) = streams.begin_posts(later(waited_s))
    assert post.stored == (_stored(2) if is_at_hand else None)
    streams.end(post, 2, 0.0, later(waited_s))
    assert streams.begin_posts(later(waited_s))[0].stored is None


def test_what_a_record_has_read_is_forgotten_when_all_is_read_anew() -> None:
    streams = streams_of(PendingStream(a_key(), 1))
    (post,) = streams.begin_posts(NOW)
    streams.end(post, 1, 0.0, NOW, _stored(2))

    streams.begin_anew([an_endpoint()], [PendingStream(a_key(), 1)], NOW)

    assert streams.begin_posts(NOW)[0].stored is None


def test_the_next_events_of_so_many_streams_only_are_in_memory() -> None:
    endpoints = [an_endpoint(f"ep_{number}") for number in range(80)]
    keys = [a_key(endpoint=endpoint.endpoint_id) for endpoint in endpoints]
    streams = streams_of(*(PendingStream(key, 1) for key in keys), endpoints=endpoints)

    for post in streams.begin_posts(NOW):
        streams.end(post, 1, 0.0, NOW, _stored(2))

    assert sum(post.stored is not None for post in streams.begin_posts(NOW)) == 64
