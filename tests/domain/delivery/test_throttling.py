"""What an endpoint that asks us to wait is sent, and when: heartbeats alone, and one session of many."""

from collections import deque

import pytest

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Retry
from openwa_manager.domain.delivery.endpoint_queue import _LONE_MAX, LoneWaits, StreamKey
from openwa_manager.domain.delivery.streams import PendingStream
from tests.domain.delivery.test_streams import EP, NOW, POLICY, a_heartbeat, a_key, later, streams_of

OK = Delivered(status=200)
DOWN = Retry(reason="timeout")
WAIT = Retry(reason="HTTP 429", status=429, retry_after_s=60.0)


@pytest.mark.parametrize("results", [[WAIT], [DOWN] * POLICY.breaker_failures], ids=["throttled", "down"])
def test_a_heartbeat_asks_whether_an_endpoint_is_back_where_no_event_waits(results: list[AttemptResult]) -> None:
    streams = streams_of()
    queue = streams.queue_of(EP)
    for result in results:
        queue.note(result, NOW, a_key())
    for session in ("a", "b"):
        streams.add_heartbeat(a_heartbeat(session))
    due_s = streams.next_due_s()
    assert due_s is not None
    assert streams.begin_heartbeats(due_s - 0.1) == []

    (probe,) = streams.begin_heartbeats(due_s)
    assert (probe.is_probe, streams.next_due_s()) == (True, None)
    assert streams.begin_heartbeats(due_s) == []
    queue.note(OK, later(due_s - NOW.boot_s), a_key())
    queue.end_heartbeat(probe)

    (other,) = streams.begin_heartbeats(due_s)
    assert (other.event.session_id, other.is_probe) == ("b", False)


def test_a_heartbeat_that_is_refused_leaves_the_next_one_to_probe() -> None:
    streams = streams_of()
    queue = streams.queue_of(EP)
    queue.note(WAIT, NOW, a_key())
    for beat in range(1, 10):
        streams.add_heartbeat(a_heartbeat())
        assert streams.next_due_s() == NOW.boot_s + 60.0 * beat
        (probe,) = streams.begin_heartbeats(NOW.boot_s + 60.0 * beat)
        queue.note(WAIT, later(60.0 * beat), a_key())
        queue.end_heartbeat(probe)


def test_an_event_that_waits_probes_before_a_heartbeat() -> None:
    streams = streams_of(PendingStream(a_key(), 1))
    streams.queue_of(EP).note(WAIT, NOW, a_key())
    streams.add_heartbeat(a_heartbeat("b"))

    (post,) = streams.begin_posts(later(60.0))

    assert (post.key, post.is_probe) == (a_key(), True)
    assert streams.begin_heartbeats(NOW.boot_s + 60.0) == []


def test_a_daemon_that_ends_is_not_woken_for_a_heartbeat() -> None:
    streams = streams_of()
    streams.queue_of(EP).note(WAIT, NOW, a_key())
    streams.add_heartbeat(a_heartbeat())

    streams.drain()

    assert streams.next_due_s() is None


def test_an_endpoint_is_throttled_while_its_wait_lasts_or_something_waits_for_it() -> None:
    streams = streams_of()
    streams.queue_of(EP).note(WAIT, NOW, a_key())

    assert streams.health_of(EP, later(59.0)).is_throttled
    assert not streams.health_of(EP, later(61.0)).is_throttled
    streams.add_heartbeat(a_heartbeat())
    assert streams.health_of(EP, later(61.0)).is_throttled
    assert streams.begin_heartbeats(NOW.boot_s + 61.0)
    assert streams.health_of(EP, later(61.0)).is_throttled


def test_the_429_of_one_session_delays_no_other_for_long() -> None:
    streams, delays = streams_of(), list[float]()
    arrived: dict[StreamKey, deque[float]] = {a_key(name): deque() for name in ("refused", "b", "c", "d")}
    for second in range(3600):
        now = later(second)
        for number, (key, waiting) in enumerate(arrived.items()):
            if second % 45 == number * 10:
                waiting.append(second)
                streams.arrive([PendingStream(key, second + 1)], now)
        for post in streams.begin_posts(now):
            is_refused, waiting = post.key.session_id == "refused", arrived[post.key]
            streams.queue_of(EP).note(WAIT if is_refused else OK, now, post.key)
            if not is_refused:
                delays.append(second - waiting.popleft())
            streams.end(post, second + 1, (now.at + 60.0 if is_refused else 0.0) if waiting else None, now)

    assert len(delays) >= 3 * (3600 // 45 - 1)
    assert [delay for delay in delays if delay > 60.0] == []
    assert sum(delay > 1.0 for delay in delays) <= 4  # of the first wait, when nobody knows yet whom it is about


def test_a_limit_on_all_sessions_makes_the_endpoint_wait() -> None:
    queue = streams_of().queue_of(EP)
    queue.note(WAIT, NOW, a_key("a"))
    queue.note(OK, later(60.0), a_key("b"))

    queue.note(WAIT, later(61.0), a_key("a"))
    assert not queue.breaker.is_open
    queue.note(WAIT, later(61.0), a_key("b"))
    assert queue.breaker.is_throttled
    queue.note(WAIT, later(121.0), a_key("a"))  # nothing has succeeded since

    assert queue.breaker.probe_at == later(181.0).boot_s


def test_what_was_on_its_way_when_an_endpoint_asked_us_to_wait_does_not_count_for_others() -> None:
    queue = streams_of().queue_of(EP)
    queue.note(WAIT, NOW, a_key("a"))
    queue.note(OK, later(1.0), a_key("b"))

    queue.note(WAIT, later(60.0), a_key("a"))

    assert queue.breaker.is_throttled


def test_a_session_that_succeeded_again_is_not_alone_in_what_it_is_told_later() -> None:
    queue = streams_of().queue_of(EP)
    queue.note(WAIT, NOW, a_key("a"))
    queue.note(OK, later(60.0), a_key("a"))

    queue.note(WAIT, later(61.0), a_key("a"))

    assert queue.breaker.is_throttled


def test_of_very_many_sessions_that_were_refused_the_first_are_forgotten() -> None:
    waits = LoneWaits()
    for number in range(_LONE_MAX + 1):
        waits.note_refusal(a_key(f"s{number}"))

    waits.note_success(a_key("another"), is_waiting=False)

    assert not waits.has(a_key("s0"))
    assert waits.has(a_key("s1"))
