import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.delivery import AttemptResult, Delivered, Gone, Retry
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.session import SessionId
from tests.fakes.clock import settle
from tests.services.delivery.dispatch_setup import NOW, DispatchSetup, a_code, an_endpoint, an_event, running


def fill_disk(connection: sqlite3.Connection) -> None:
    """Let every record of an outcome need more room than there is."""
    connection.execute("CREATE TABLE filler (content BLOB)")
    connection.execute(
        "CREATE TRIGGER fill BEFORE UPDATE ON delivery BEGIN INSERT INTO filler VALUES (zeroblob(10000000)); END"
    )
    connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size for it


def free_disk(connection: sqlite3.Connection) -> None:
    """Make room again."""
    connection.execute("PRAGMA max_page_count = 1000000")
    connection.execute("DROP TRIGGER fill")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[DispatchSetup]:
    async with running(tmp_path / "manager.db") as one:
        yield one


def a_heartbeat(session: str = "a", rss_bytes: int = 1) -> Event:
    data = {"rss_bytes": rss_bytes}
    return Event(type="session.heartbeat", occurred_at=NOW, session_id=SessionId(session), launch=1, data=data)


async def test_an_outcome_waits_for_room_on_a_full_disk_and_the_event_is_not_sent_twice(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(an_event())
    await scene.sender.until(1)
    await scene.database.write(fill_disk)
    scene.sender.gate.set()
    await scene.clock.until_sleeping()
    assert await scene.rows() == [("pending",)]

    await scene.database.write(free_disk)
    await scene.clock.advance(5.0)

    await scene.until_rows([("delivered",)])
    assert len(scene.sender.posts) == 1


async def test_a_heartbeat_is_posted_once_and_not_kept(scene: DispatchSetup) -> None:
    await scene.tell(an_event())
    await scene.sender.until(1)

    scene.dispatcher.post_heartbeat(a_heartbeat())

    posts = await scene.sender.until(2)
    assert posts[1].body["type"] == "session.heartbeat"
    assert posts[1].seq is None
    await scene.until_rows([("delivered",)])


async def test_a_heartbeat_that_fails_is_not_retried(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: Retry(reason="timeout")
    await scene.tell(an_event())
    await scene.clock.until_sleeping()

    scene.dispatcher.post_heartbeat(a_heartbeat())
    await scene.sender.until(2)
    scene.sender.answer = lambda _: Delivered(status=200)
    await scene.pass_retry()

    posts = await scene.sender.until(3)
    assert [post.body["type"] for post in posts] == ["session.connected", "session.heartbeat", "session.connected"]


async def test_only_the_newest_heartbeat_of_a_session_waits_for_room(scene: DispatchSetup) -> None:
    scene.sender.gate.clear()
    await scene.tell(*(an_event(1, f"s{number}") for number in range(16)))
    await scene.sender.until(16)
    for rss_bytes in (1, 2, 3):
        scene.dispatcher.post_heartbeat(a_heartbeat(rss_bytes=rss_bytes))
    scene.dispatcher.post_heartbeat(a_heartbeat("b", rss_bytes=4))

    scene.sender.gate.set()

    posts = await scene.sender.until(18)
    assert [post.body["rss_bytes"] for post in posts[16:]] == [3, 4]


async def test_an_endpoint_that_is_down_gets_no_heartbeat(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: Retry(reason="timeout")
    await scene.tell(*(an_event(1, f"s{number}") for number in range(5)))
    await scene.until_rows([("pending", 1)] * 5, "state, attempts")
    await settle()  # until the dispatcher knows it too

    scene.dispatcher.post_heartbeat(a_heartbeat())
    await scene.pass_retry()
    await scene.pass_retry()

    posts = await scene.sender.until(6)
    assert all(post.body["type"] == "session.connected" for post in posts)


async def test_heartbeats_go_on_after_one_was_answered_with_429(scene: DispatchSetup) -> None:
    await scene.tell(an_event(1))
    await scene.sender.until(1)  # the endpoint is known by now
    await settle()
    scene.sender.answer = lambda _: Retry(reason="HTTP 429", status=429, retry_after_s=60.0)
    scene.dispatcher.post_heartbeat(a_heartbeat())
    await scene.sender.until(2)
    await settle()
    scene.sender.answer = lambda _: Delivered(status=200)

    scene.dispatcher.post_heartbeat(a_heartbeat(rss_bytes=2))
    await scene.pass_retry()

    posts = await scene.sender.until(3)
    assert [(post.at - NOW, post.body["rss_bytes"]) for post in posts[1:]] == [(0.0, 1), (60.0, 2)]


async def test_an_endpoint_that_was_down_and_asks_us_to_wait_is_said_to_be_back(
    scene: DispatchSetup, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[AttemptResult] = [Retry(reason="timeout")] * 5
    answers += [Retry(reason="HTTP 429", status=429), Delivered(status=200)]
    scene.sender.answer = lambda _: answers.pop(0) if answers else Delivered(status=200)
    await scene.tell(*(an_event(1, f"s{number}") for number in range(5)))
    await scene.until_rows([("pending", 1)] * 5, "state, attempts")

    for _ in ("the retries", "the probe", "the wait"):
        await scene.pass_retry()
    await scene.sender.until(7)

    told = re.findall(r"endpoint_(?:down|throttled|recovered)", capsys.readouterr().out)
    assert told == ["endpoint_down", "endpoint_recovered", "endpoint_throttled"]


async def test_a_heartbeat_goes_to_those_who_asked_for_it(tmp_path: Path) -> None:
    others = (an_endpoint("no_type", events=("session.qr",)), an_endpoint("no_session", sessions=("b",)))
    async with running(tmp_path / "manager.db", an_endpoint("yes"), *others) as scene:
        await scene.tell(an_event())
        await scene.sender.until(1)

        scene.dispatcher.post_heartbeat(a_heartbeat())
        scene.dispatcher.post_heartbeat(a_heartbeat("b"))

        posts = await scene.sender.until(4)

    beats = {(post.endpoint_id, post.session_id) for post in posts if post.body["type"] == "session.heartbeat"}
    assert beats == {("yes", "a"), ("yes", "b"), ("no_session", "b")}


async def test_a_code_without_a_session_or_a_hash_is_not_posted(scene: DispatchSetup) -> None:
    await scene.tell(replace(a_code(), session_id=None), replace(a_code(), data={}))

    await scene.until_rows([])
    assert scene.sender.posts == []


async def test_codes_and_others_take_turns_as_probes(scene: DispatchSetup) -> None:
    scene.sender.answer = lambda _: Retry(reason="timeout")
    codes = [a_code(session=f"q{number}", life_s=600.0) for number in range(2)]
    await scene.tell(*(an_event(1, f"s{number}") for number in range(5)), *codes)
    await scene.until_rows([("pending", 1)] * 7, "state, last_tried_at IS NOT NULL")
    await scene.pass_retry()

    for count in (8, 9, 10):
        await scene.pass_retry()
        await scene.sender.until(count)

    first, second, third = (post.body["type"] for post in scene.sender.posts[7:])
    assert {first, second} == {"session.qr", "session.connected"}
    assert third == first


async def test_an_unchanged_endpoint_stays_open_over_a_reload_and_a_changed_one_starts_afresh(
    scene: DispatchSetup,
) -> None:
    scene.sender.answer = lambda _: Retry(reason="timeout")
    await scene.tell(*(an_event(1, f"s{number}") for number in range(5)))
    await scene.until_rows([("pending", 1)] * 5, "state, attempts")
    await scene.pass_retry()
    scene.sender.answer = lambda _: Delivered(status=200)

    await scene.add_endpoint(an_endpoint())
    await scene.clock.until_sleeping()
    assert len(scene.sender.posts) == 5

    await scene.add_endpoint(replace(an_endpoint(), updated_at=NOW))
    await scene.until_rows([("delivered",)] * 5)


async def test_each_attempt_is_counted_by_what_became_of_it(scene: DispatchSetup) -> None:
    outcomes: list[AttemptResult] = [Retry(reason="timeout"), Delivered(status=200), Gone()]
    answers = iter(outcomes)
    scene.sender.answer = lambda _: next(answers)
    await scene.tell(an_event(at=NOW - 30.0))
    await scene.sender.until(1)
    await scene.pass_retry()
    await scene.until_rows([("delivered",)])

    await scene.tell(replace(a_code(), session_id=None))
    await scene.until_rows([("delivered",)])
    await scene.tell(an_event(2))
    await scene.until_rows([("delivered", 200), ("pending", 410)], "state, last_status")

    tally = scene.dispatcher.tally
    assert tally.results == {"failed": 1, "delivered": 1, "expired": 1, "gone": 1}
    assert (tally.delay.count, tally.qr_push.count) == (1, 0)
    assert tally.delay.total_s >= 30.0
