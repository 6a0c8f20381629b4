import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Gone, Rejected, Retry
from openwa_manager.domain.delivery.events import Event
from openwa_manager.metrics.tallies import DeliveryResult
from openwa_manager.store.delivery.endpoints import load_endpoints
from tests.fakes.clock import settle
from tests.services.delivery.dispatch_setup import NOW, DispatchSetup, a_code, an_endpoint, an_event, running

DOWN = Retry(reason="timeout")
ERROR = Retry(reason="HTTP 500", status=500)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[DispatchSetup]:
    async with running(tmp_path / "manager.db") as one:
        yield one


async def test_an_event_is_posted_once_it_is_on_disk(scene: DispatchSetup) -> None:
    (stored,) = await scene.tell(an_event())

    (post,) = await scene.sender.until(1)
    assert post.event_id == stored.id
    assert post.body["type"] == "session.connected"
    await scene.until_rows([("delivered", 200, NOW)], "state, last_status, settled_at")


async def test_a_session_is_told_in_order_and_one_at_a_time(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(an_event(1), an_event(2))
    await scene.tell(an_event(3))
    await scene.sender.until(1)

    scene.sender.gate.set()

    posts = await scene.sender.until(3)
    assert [post.seq for post in posts] == [1, 2, 3]
    assert scene.sender.in_flight_max == 1


async def test_a_failing_event_holds_back_its_session_only(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda post: ERROR if post.session_id == "a" else Delivered(status=200)

    await scene.tell(an_event(1, "a"), an_event(2, "a"), an_event(1, "b"), an_event(2, "b"))

    posts = await scene.sender.until(3)
    assert sorted((post.session_id, post.seq) for post in posts) == [("a", 1), ("b", 1), ("b", 2)]


async def test_retries_follow_the_schedule_and_keep_the_id(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: ERROR
    await scene.tell(an_event())

    for _ in range(4):
        await scene.pass_retry()

    posts = await scene.sender.until(5)
    assert [post.at - NOW for post in posts] == [0.0, 2.0, 12.0, 42.0, 162.0]
    assert len({post.event_id for post in posts}) == 1
    assert all(post.body == posts[0].body for post in posts)


async def test_a_stream_goes_on_after_a_retry(scene: DispatchSetup) -> None:
    answers: list[AttemptResult] = [DOWN, Delivered(status=200), Delivered(status=200)]
    scene.sender.answer = lambda _: answers.pop(0)
    await scene.tell(an_event(1), an_event(2))

    await scene.pass_retry()

    posts = await scene.sender.until(3)
    assert [post.seq for post in posts] == [1, 1, 2]


async def test_a_pause_asked_for_is_respected_up_to_an_hour(scene: DispatchSetup) -> None:
    asked: list[AttemptResult] = [Retry(reason="HTTP 429", status=429, retry_after_s=s) for s in (50.0, 90_000.0)]
    scene.sender.answer = lambda _: asked.pop(0) if asked else Delivered(status=200)
    await scene.tell(an_event())

    await scene.pass_retry()
    await scene.pass_retry()

    posts = await scene.sender.until(3)
    assert [post.at - NOW for post in posts] == [0.0, 50.0, 3650.0]


async def test_every_endpoint_hears_what_it_asked_for(tmp_path: Path) -> None:
    endpoints = (
        an_endpoint("all"),
        an_endpoint("codes", events=("session.qr",)),
        an_endpoint("mine", events=("session.*",), sessions=("user_1_*",)),
    )
    async with running(tmp_path / "manager.db", *endpoints) as scene:
        await scene.tell(an_event(1, "user_1_a"), an_event(1, "user_10"), a_code(session="user_2_b"))

        posts = await scene.sender.until(5)

    assert sorted((post.endpoint_id, str(post.session_id)) for post in posts) == [
        ("all", "user_10"),
        ("all", "user_1_a"),
        ("all", "user_2_b"),
        ("codes", "user_2_b"),
        ("mine", "user_1_a"),
    ]


async def test_sixteen_streams_and_two_codes_post_at_once_to_an_endpoint(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    events = [an_event(1, f"s{number}") for number in range(20)]
    codes = [a_code(session=f"s{number}") for number in range(5)]

    await scene.tell(*events, *codes)
    await scene.sender.until(18)
    await scene.clock.advance(10.0)

    assert len(scene.sender.posts) == 18
    assert sum(post.body["type"] == "session.qr" for post in scene.sender.posts) == 2
    scene.sender.gate.set()
    await scene.sender.until(25)


async def test_what_was_undelivered_is_delivered_after_a_restart_and_in_order(tmp_path: Path) -> None:
    async with running(tmp_path / "manager.db") as before:
        before.sender.answer = lambda _: DOWN
        stored = await before.tell(an_event(1), an_event(2))
        await before.until_rows([("pending", 1), ("pending", 0)], "state, attempts")

    async with running(tmp_path / "manager.db") as after:
        await after.pass_retry()

        posts = await after.sender.until(2)

    assert [post.event_id for post in posts] == [one.id for one in stored]


async def test_an_idle_dispatcher_waits_for_nothing_but_a_wake(scene: DispatchSetup) -> None:
    await scene.tell(an_event())
    await scene.until_rows([("delivered",)])

    await scene.clock.advance(86_400.0)

    assert scene.clock.deadlines == []


async def test_an_event_that_comes_while_its_session_posts_is_not_overlooked(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(an_event(1))
    await scene.sender.until(1)
    await scene.tell(an_event(2))

    scene.sender.gate.set()

    posts = await scene.sender.until(2)
    assert [post.seq for post in posts] == [1, 2]


# --- codes


async def test_a_code_is_posted_with_its_image(scene: DispatchSetup) -> None:
    await scene.tell(a_code())

    (post,) = await scene.sender.until(1)
    assert post.body["qr_base64"] == "iVBORw=="
    assert "sha256" not in post.body


async def test_a_code_overtakes_a_session_that_is_stuck(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda post: DOWN if post.seq == 1 else Delivered(status=200)
    await scene.tell(an_event(1), a_code())

    posts = await scene.sender.until(2)

    assert {post.body["type"] for post in posts} == {"session.connected", "session.qr"}


async def test_only_the_newest_code_is_posted_and_waits_for_no_retry_of_an_older_one(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda post: DOWN if post.body["qr_seq"] == 1 else Delivered(status=200)
    await scene.tell(a_code(1))
    await scene.clock.until_sleeping()

    await scene.tell(a_code(2), a_code(3))

    posts = await scene.sender.until(2)
    await scene.until_rows([("delivered",)])
    assert [post.body["qr_seq"] for post in posts] == [1, 3]


async def test_a_newer_code_overtakes_the_older_one_that_is_on_its_way(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(a_code(1))
    await scene.sender.until(1)

    await scene.tell(a_code(2))
    await scene.sender.until(2)
    await scene.tell(an_event(1))
    await scene.sender.until(3)
    scene.sender.gate.set()

    await scene.until_rows([("delivered",), ("delivered",)])
    assert [post.body.get("qr_seq") for post in scene.sender.posts] == [1, 2, None]


async def test_a_code_that_expires_between_two_tries_is_not_posted_again(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: DOWN
    await scene.tell(a_code())
    await scene.pass_retry()
    await scene.sender.until(2)

    scene.images.clear()
    await scene.pass_retry()

    await scene.until_rows([])
    assert len(scene.sender.posts) == 2


async def test_a_code_that_is_not_shown_any_more_is_not_posted(scene: DispatchSetup) -> None:
    scene.images.clear()

    await scene.tell(a_code())

    await scene.until_rows([])
    assert scene.sender.posts == []


# --- endpoints in trouble


async def break_down(scene: DispatchSetup) -> None:
    """Let five sessions fail once each, and all their retries come due."""
    scene.sender.answer = lambda _: DOWN
    await scene.tell(*(an_event(1, f"s{number}") for number in range(5)))
    await scene.until_rows([("pending", 1)] * 5, "state, attempts")
    await scene.pass_retry()


async def test_five_failures_in_a_row_leave_one_probe_every_thirty_seconds(scene: DispatchSetup) -> None:
    await break_down(scene)

    for count in (6, 7, 8):
        await scene.pass_retry()
        await scene.sender.until(count)

    probes = scene.sender.posts[5:]
    assert [post.at - NOW for post in probes] == [30.0, 60.0, 90.0]
    assert len({post.session_id for post in probes}) == 3
    assert await scene.rows("state, attempts") == [("pending", 1)] * 5


async def test_a_probe_that_succeeds_opens_the_way_for_all(scene: DispatchSetup) -> None:
    await break_down(scene)

    scene.sender.answer = lambda _: Delivered(status=200)
    await scene.pass_retry()

    await scene.until_rows([("delivered",)] * 5)
    assert all(post.at == NOW + 30.0 for post in scene.sender.posts[5:])


async def test_a_probe_answered_500_uses_up_an_attempt(scene: DispatchSetup) -> None:
    await break_down(scene)

    scene.sender.answer = lambda _: ERROR
    await scene.pass_retry()

    await scene.until_rows([*[("pending", 1)] * 4, ("pending", 2)], "state, attempts", order="attempts")


async def test_one_endpoint_in_trouble_does_not_hold_up_another(tmp_path: Path) -> None:
    async with running(tmp_path / "manager.db", an_endpoint("bad"), an_endpoint("good")) as scene:
        scene.sender.answer = lambda post: DOWN if post.endpoint_id == "bad" else Delivered(status=200)

        await scene.tell(*(an_event(1, f"s{number}") for number in range(40)))

        await scene.sender.until(40, "good")


async def test_a_rejected_event_is_buried_told_and_passed(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda post: Rejected(status=422) if post.seq == 1 else Delivered(status=200)
    (poison, _) = await scene.tell(an_event(1), an_event(2))

    for _ in range(6):
        await scene.pass_retry()

    posts = await scene.sender.until(9)
    assert [post.seq for post in posts] == [*[1] * 7, 2, None]
    entry = posts[-1].body
    assert entry["type"] == "delivery.dead_lettered"
    assert entry["event_id"] == poison.id
    assert entry["reason"] == "rejected"
    assert entry["session_id"] == "a"
    await scene.until_rows([("dead",), ("delivered",), ("delivered",)])


async def test_news_of_a_dead_letter_that_dies_itself_is_not_told(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: Rejected(status=400)
    await scene.tell(an_event())

    for _ in range(12):
        await scene.pass_retry()

    await scene.until_rows([("dead",), ("dead",)])
    assert scene.dispatcher.tally.results[DeliveryResult.DEAD] == 2
    await scene.clock.advance(86_400.0)
    assert len(scene.sender.posts) == 14


async def test_an_endpoint_that_is_gone_is_told_nothing_until_it_is_resumed(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: Gone()
    await scene.tell(an_event(1))
    await scene.sender.until(1)
    await scene.until_rows([("pending", 410)], "state, last_status")
    await scene.tell(an_event(2))
    scene.sender.answer = lambda _: Delivered(status=200)

    (endpoint,) = await scene.database.read(load_endpoints)
    assert endpoint.disabled_reason == "gone"
    await scene.add_endpoint(replace(endpoint, is_active=True, disabled_reason=None))

    posts = await scene.sender.until(2)
    assert [post.seq for post in posts] == [1, 1]


async def test_an_endpoint_added_later_hears_what_comes_then(scene: DispatchSetup) -> None:
    await scene.tell(an_event(1))
    await scene.until_rows([("delivered",)])

    await scene.add_endpoint(an_endpoint("ep_2"))
    await scene.tell(an_event(2))

    posts = await scene.sender.until(3)
    assert sorted((post.endpoint_id, post.seq) for post in posts) == [("ep_1", 1), ("ep_1", 2), ("ep_2", 2)]


# --- the end of the daemon


async def test_a_dispatcher_that_drains_posts_only_what_the_daemon_says_and_waits_for_what_is_on_its_way(
    scene: DispatchSetup,
) -> None:
    scene.sender.gate.clear()
    await scene.tell(an_event(1))
    await scene.sender.until(1)

    async with asyncio.TaskGroup() as tasks:
        drain = tasks.create_task(scene.dispatcher.drain(5.0))
        await settle()
        await scene.tell(an_event(2), an_event(1, "b"), Event(type="manager.stopping", occurred_at=NOW))
        posts = await scene.sender.until(2)
        assert not drain.done()
        scene.sender.gate.set()

    assert [post.body["type"] for post in posts] == ["session.connected", "manager.stopping"]
    assert await scene.rows() == [("delivered",), ("pending",), ("pending",), ("delivered",)]


async def test_a_drain_ends_in_time_although_an_endpoint_does_not_answer(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(an_event(1))
    await scene.sender.until(1)

    async with asyncio.TaskGroup() as tasks:
        drain = tasks.create_task(scene.dispatcher.drain(5.0))
        await scene.clock.advance(4.9)
        was_done = drain.done()
        await scene.clock.advance(0.1)

    assert not was_done
    assert await scene.rows() == [("pending",)]
