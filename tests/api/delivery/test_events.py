import json

import pytest

from openwa_manager.api.delivery.responses import EventPage
from openwa_manager.domain.session.session import LinkState
from tests.api.world import Object, World


async def page(world: World, path: str) -> tuple[list[Object], int]:
    reply = await world.call("GET", path)
    assert reply.status == 200, reply.raw
    EventPage.model_validate_json(reply.raw)
    value = json.loads(reply.raw)
    assert set(value) == {"events", "next_after"}
    return value["events"], value["next_after"]


async def test_an_event_is_shown_as_an_endpoint_gets_it(world: World) -> None:
    await world.create(session_id="a", user_id="7", desired="stopped")

    events, next_after = await page(world, "/v1/events")

    (created,) = events
    assert created["type"] == created["event"] == "session.created"
    assert (created["session_id"], created["user_id"], created["seq"], created["host"]) == ("a", "7", 1, "mac-mini-1")
    assert next_after > 0


async def test_pages_follow_each_other_without_gap_or_repeat(world: World) -> None:
    for number in range(7):
        await world.create(session_id=f"s{number}", desired="stopped")
    seen: list[object] = []
    after = 0

    while True:
        events, after = await page(world, f"/v1/events?after={after}&limit=3")
        if not events:
            break
        seen += [event["session_id"] for event in events]

    assert seen == [f"s{number}" for number in range(7)]
    await world.create(session_id="late", desired="stopped")
    events, _ = await page(world, f"/v1/events?after={after}")
    assert [event["session_id"] for event in events] == ["late"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tail=2", ["s3", "s4"]),
        ("tail=9", ["s0", "s1", "s2", "s3", "s4"]),
        ("tail=1&type=session.failed", []),
        ("tail=2&type=session.cr*", ["s3", "s4"]),
    ],
)
async def test_the_newest_events_can_be_asked_for_oldest_first(world: World, query: str, expected: list[str]) -> None:
    for number in range(5):
        await world.create(session_id=f"s{number}", desired="stopped")

    events, next_after = await page(world, f"/v1/events?{query}")

    assert [event["session_id"] for event in events] == expected
    assert not events or (await page(world, f"/v1/events?after={next_after}"))[0] == []


async def test_the_newest_events_of_one_session_are_not_crowded_out_by_others(world: World) -> None:
    for name in ("a", "b", "c"):
        await world.create(session_id=name, desired="stopped")

    events, _ = await page(world, "/v1/sessions/a/events?tail=1")

    assert [event["session_id"] for event in events] == ["a"]


async def test_events_can_be_asked_for_from_a_time_on(world: World) -> None:
    for name in ("before", "then", "later"):
        await world.create(session_id=name, desired="stopped")
    (since,) = [each["timestamp"] for each in (await page(world, "/v1/sessions/then/events"))[0]]
    minute_ago = "UPDATE event SET occurred_at = occurred_at - 60 WHERE session_id = 'before'"
    await world.database.write(lambda connection: connection.execute(minute_ago).rowcount)

    events, next_after = await page(world, f"/v1/events?since={since}&limit=1")
    rest, _ = await page(world, f"/v1/events?after={next_after}")

    assert [each["session_id"] for each in (*events, *rest)] == ["then", "later"]
    assert (await page(world, "/v1/events?since=2999-01-01T00:00:00Z"))[0] == []


@pytest.mark.parametrize("since", ["0.5", "1764000000", "-5", "1e9", "yesterday", "2026-01-01T00:00:00"])
async def test_a_time_is_a_date_with_a_zone_and_no_number(world: World, since: str) -> None:
    reply = await world.call("GET", f"/v1/events?since={since}")

    assert (reply.status, reply.json["field"]) == (422, "since")


@pytest.mark.parametrize(
    "both", ["tail=2&after=0", "tail=2&since=2026-01-01T00:00:00Z", "after=0&since=2026-01-01T00:00Z"]
)
async def test_two_beginnings_are_not_asked_for_together(world: World, both: str) -> None:
    reply = await world.call("GET", f"/v1/events?{both}")

    assert (reply.status, reply.json["code"]) == (422, "invalid")
    assert "cannot be combined" in str(reply.json["detail"])


async def test_a_time_without_a_zone_is_no_time(world: World) -> None:
    reply = await world.call("GET", "/v1/events?since=2026-01-01T00:00:00")

    assert (reply.status, reply.json["field"]) == (422, "since")


async def test_a_session_shows_only_its_own_events_even_of_one_type(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    await world.create(session_id="b", desired="stopped")

    of_a, _ = await page(world, "/v1/sessions/a/events")
    of_b, _ = await page(world, "/v1/sessions/b/events")
    statuses, _ = await page(world, "/v1/sessions/a/events?type=session.status&type=session.created")

    assert {event["session_id"] for event in of_a} == {"a"}
    assert [event["type"] for event in of_b] == ["session.created"]
    assert {event["type"] for event in statuses} == {"session.status", "session.created"}
    numbers = [event["seq"] for event in of_a if event["seq"] is not None]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_code_is_shown_only_while_it_is_valid(world: World) -> None:
    await world.create(session_id="a", wait_for="qr")
    (shown,), _ = await page(world, "/v1/events?type=session.qr")
    await world.play("a", "scan")
    await world.sessions.wait("a", lambda session: session.link is LinkState.CONNECTED, 20)

    (scanned,), _ = await page(world, "/v1/events?type=session.qr")
    await world.call("DELETE", "/v1/sessions/a")
    (orphan,), _ = await page(world, "/v1/events?type=session.qr")

    assert str(shown["qr_base64"]).startswith("iVBORw0KGgo")
    assert (shown["seq"], shown["qr_seq"], shown["mimetype"]) == (None, 1, "image/png")
    for event in (shown, scanned, orphan):
        assert "sha256" not in event
    assert "qr_base64" not in scanned
    assert "qr_base64" not in orphan


async def test_events_outlive_their_session_but_not_under_its_path(world: World) -> None:
    await world.create(session_id="a", desired="stopped")
    await world.call("DELETE", "/v1/sessions/a")

    events, _ = await page(world, "/v1/events?type=session.deleted")

    assert [event["session_id"] for event in events] == ["a"]
    assert (await world.call("GET", "/v1/sessions/a/events")).status == 404


async def test_a_parameter_out_of_range_is_refused(world: World) -> None:
    for query in ("after=-1", "after=x", "after=9223372036854775808", "limit=0", "limit=1001"):
        reply = await world.call("GET", f"/v1/events?{query}")

        assert (reply.status, reply.json["field"]) == (422, query.partition("=")[0])
