import pytest

from tests.api.world import Object, World

QUEUE = "/v1/sessions/user_1_session_a/queue"
MESSAGES = "/v1/sessions/user_1_session_a/messages"


@pytest.fixture
async def ready(world: World) -> World:
    await world.create(session_id="user_1_session_a", desired="stopped")
    return world


async def fill(world: World, count: int) -> None:
    for number in range(count):
        reply = await world.call("POST", MESSAGES, {"to": f"+85212345{number:03}", "text": "hello"})
        assert reply.status == 202


async def shown(world: World) -> Object:
    reply = await world.call("GET", QUEUE)
    assert reply.status == 200, reply.raw
    return reply.json


async def test_a_queue_says_how_much_waits_and_why(ready: World) -> None:
    await fill(ready, 3)

    queue = await shown(ready)

    assert (queue["state"], queue["profile"], queue["length"]) == ("active", "guide", 3)
    assert queue["by_status"] == {"queued": 3}
    assert queue["by_hold"] == {"not_connected": 3}
    assert isinstance(queue["hold"], dict)
    assert queue["hold"]["code"] == "not_connected"
    assert (queue["first_contacts_left"], queue["failure_rate"], queue["next_message_id"]) == (None, None, None)


async def test_a_paused_queue_says_so_until_it_goes_on(ready: World) -> None:
    paused = await ready.call("PATCH", QUEUE, {"state": "paused", "profile": "careful"})

    assert (paused.status, paused.json["state"], paused.json["profile"]) == (200, "paused", "careful")
    assert isinstance(paused.json["hold"], dict)
    assert paused.json["hold"]["code"] == "queue_paused"
    assert paused.json["first_contacts_left"] == 5
    resumed = await ready.call("PATCH", QUEUE, {"state": "active"})
    assert (resumed.json["state"], resumed.json["profile"]) == ("active", "careful")


async def test_a_queue_is_emptied_only_by_who_knows_how_much_waits(ready: World) -> None:
    await fill(ready, 3)

    refused = await ready.call("DELETE", f"{QUEUE}?confirm=2")
    emptied = await ready.call("DELETE", f"{QUEUE}?confirm=3")

    assert (refused.status, refused.json["code"]) == (409, "count_changed")
    assert (emptied.status, emptied.json["length"], emptied.json["by_status"]) == (200, 0, {"cancelled": 3})


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("PATCH", "", {"state": "stopped"}),
        ("PATCH", "", {"profile": "reckless"}),
        ("PATCH", "", {"speed": 1}),
        ("DELETE", "", None),
        ("DELETE", "?confirm=-1", None),
        ("DELETE", "?confirm=all", None),
    ],
)
async def test_what_is_no_change_is_refused(ready: World, method: str, query: str, body: Object | None) -> None:
    reply = await ready.call(method, QUEUE + query, body)

    assert (reply.status, reply.json["code"]) == (422, "invalid")


async def test_a_session_that_is_not_there_has_no_queue(ready: World) -> None:
    for method, body in (("GET", None), ("PATCH", {"state": "paused"})):
        reply = await ready.call(method, "/v1/sessions/user_9_session_z/queue", body)
        assert reply.status == 404
