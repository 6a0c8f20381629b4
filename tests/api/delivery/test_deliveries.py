import sqlite3
from collections.abc import AsyncIterator

import pytest

from openwa_manager.api.delivery.responses import DeliveryPage
from openwa_manager.domain.delivery.events import Json
from openwa_manager.services.delivery.deliveries import REPLAY_MAX
from tests.api.world import Object, World
from tests.fakes.receiver import Receiver, receiving

PATH = "/v1/deliveries"


@pytest.fixture
async def receiver(world: World) -> AsyncIterator[Receiver]:
    """Run a receiver that is the only endpoint."""
    async with receiving() as running:
        reply = await world.call("POST", "/v1/endpoints", {"url": running.url})
        assert reply.status == 201
        yield running


async def deliveries(world: World, query: str = "") -> list[Object]:
    reply = await world.call("GET", f"{PATH}?{query}")
    assert reply.status == 200, reply.raw
    DeliveryPage.model_validate_json(reply.raw)
    found = reply.json["deliveries"]
    assert isinstance(found, list)
    return found


async def settled(world: World, count: int, state: str = "delivered") -> list[Object]:
    while len(found := await deliveries(world, f"state={state}")) < count:
        pass
    return found


async def replay(world: World, **selection: Json) -> Json:
    reply = await world.call("POST", f"{PATH}/replay", selection)
    assert reply.status == 202, reply.raw
    return reply.json["count"]


async def test_a_delivery_tells_what_became_of_an_event(world: World, receiver: Receiver) -> None:
    receiver.answers = [503]
    await world.create(session_id="a", desired="stopped")

    (made,) = await settled(world, 1)

    assert (made["event_type"], made["session_id"], made["state"]) == ("session.created", "a", "delivered")
    assert (made["attempts"], made["last_status"], made["last_error"], made["next_at"]) == (2, 200, None, None)
    assert made["event_id"] == receiver.received[0].json["id"]


async def test_a_dry_run_counts_and_sends_nothing(world: World, receiver: Receiver) -> None:
    await world.create(session_id="a", desired="stopped")
    await settled(world, 1)

    counted = await world.call("POST", f"{PATH}/replay", {"session_id": "a", "dry_run": True})
    alone = await world.call("POST", f"{PATH}/replay", {"dry_run": True})

    assert (counted.status, counted.json) == (200, {"count": 1})
    assert alone.status == 422
    assert [each["state"] for each in await deliveries(world, "session_id=a")] == ["delivered"]
    assert len(receiver.received) == 1


async def test_what_was_given_up_is_listed_as_dead_and_can_be_sent_again(world: World, receiver: Receiver) -> None:
    receiver.answers = [503] * 3
    await world.create(session_id="a", desired="stopped")
    (dead,) = await settled(world, 1, "dead")

    replayed = await replay(world, state="dead")

    assert (dead["attempts"], dead["last_status"]) == (3, 503)
    assert replayed == 1
    posts = await receiver.until(4)
    assert {"session.created", "delivery.dead_lettered"} == {str(post.json["type"]) for post in posts}
    while [post.json["id"] for post in receiver.received].count(dead["event_id"]) < 4:
        await receiver.until(len(receiver.received) + 1)


async def test_pages_hold_every_delivery_once_also_when_an_event_goes_to_several_endpoints(
    world: World, receiver: Receiver
) -> None:
    for _ in range(2):
        await world.call("POST", "/v1/endpoints", {"url": receiver.url})
    for number in range(4):
        await world.create(session_id=f"s{number}", desired="stopped")
    await settled(world, 12)
    seen: list[tuple[Json, Json]] = []
    cursor = ""

    while True:
        page = (await world.call("GET", f"{PATH}?limit=5{cursor}")).json
        assert isinstance(page["deliveries"], list)
        seen += [(each["session_id"], each["endpoint_id"]) for each in page["deliveries"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert len(seen) == len(set(seen)) == 12
    assert [session_id for session_id, _ in seen] == [f"s{number}" for number in (3, 2, 1, 0) for _ in range(3)]


async def test_deliveries_are_found_by_session_and_endpoint(world: World, receiver: Receiver) -> None:
    reply = await world.call("POST", "/v1/endpoints", {"url": receiver.url})
    for number in range(2):
        await world.create(session_id=f"s{number}", desired="stopped")
    await settled(world, 4)

    found = await deliveries(world, f"session_id=s1&endpoint_id={reply.json['endpoint_id']}")

    assert [(each["session_id"], each["endpoint_id"]) for each in found] == [("s1", reply.json["endpoint_id"])]
    assert await deliveries(world, "session_id=nobody") == []


async def test_what_matches_is_sent_once_more_in_order(world: World, receiver: Receiver) -> None:
    await world.create(session_id="a", wait_for="none")
    await world.call("POST", "/v1/sessions/a/stop?wait=20")
    while await deliveries(world, "state=pending"):
        pass
    first = [post.json["id"] for post in receiver.received if post.json["type"] != "session.qr"]
    receiver.received.clear()

    count = await replay(world, session_id="a", since="2020-01-01T00:00:00Z", until="2999-01-01T00:00:00+08:00")

    assert count == len(first) > 3
    assert [post.json["id"] for post in await receiver.until(len(first))] == first
    assert await replay(world, ids=[str(first[0]), "evt_unknown"]) == 1
    assert await replay(world, endpoint_id="ep_unknown") == 0


@pytest.mark.parametrize(
    ("selection", "field"),
    [
        ({}, "body"),
        ({"state": None}, "body"),
        ({"ids": []}, "ids"),
        ({"state": "lost"}, "state"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
    ],
)
async def test_a_replay_must_say_clearly_what(world: World, selection: Object, field: str) -> None:
    reply = await world.call("POST", f"{PATH}/replay", selection)

    assert (reply.status, reply.json["field"]) == (422, field)


def tell_a_lot(connection: sqlite3.Connection) -> None:
    """Have one event more been delivered than can be replayed."""
    connection.execute(
        """
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO event SELECT 1000 + i, 'evt_' || i, 'b', NULL, i, 1, 'x', 'state', 1.0, NULL, '{}' FROM n""",
        (REPLAY_MAX,),
    )
    connection.execute("""
        INSERT INTO delivery (event_seq, endpoint_id, lane, session_id, class, size_bytes, state)
        SELECT seq, (SELECT endpoint_id FROM endpoint), 'main', 'b', 'state', 1, 'delivered' FROM event
        WHERE session_id = 'b'""")


async def test_not_everything_can_be_replayed_at_once(world: World, receiver: Receiver) -> None:
    await world.create(session_id="a", desired="stopped")
    await receiver.until(1)
    await world.database.write(tell_a_lot)

    reply = await world.call("POST", f"{PATH}/replay", {"session_id": "b"})

    assert (reply.status, reply.json["field"]) == (422, "body")
    assert await deliveries(world, "session_id=b&state=pending") == []


@pytest.mark.parametrize("query", ["state=lost", "limit=0", "cursor=7", "cursor=x.ep_1", "colour=red"])
async def test_a_list_that_makes_no_sense_is_refused(world: World, query: str) -> None:
    reply = await world.call("GET", f"{PATH}?{query}")

    assert (reply.status, reply.json["field"]) == (422, query.partition("=")[0])
