from tests.api.world import World

PATH = "/v1/users/1/quota"


async def test_a_quota_is_set_shown_used_up_and_taken_away(world: World) -> None:
    await world.create(session_id="user_1_session_a", desired="stopped")

    assert (await world.call("GET", PATH)).json["messages_limit"] is None
    assert (await world.call("PUT", PATH, {"messages_limit": 1})).status == 200
    first = await _send(world)
    second = await _send(world)
    shown = (await world.call("GET", PATH)).json
    await world.call("PUT", PATH, {"messages_limit": None})
    third = await _send(world)

    assert (first[0], third[0]) == (202, 202)
    assert second == (429, "quota_exceeded", shown["resets_at"])
    assert (shown["messages_limit"], shown["messages_used_this_month"], shown["messages_reserved"]) == (1, 0, 1)


async def _send(world: World) -> tuple[int, object, object]:
    reply = await world.call("POST", "/v1/sessions/user_1_session_a/messages", {"to": "+85212345678", "text": "hi"})
    return reply.status, reply.json.get("code"), reply.json.get("resets_at")


async def test_a_limit_that_is_none_is_refused(world: World) -> None:
    for wrong in (-1, 1.5, "5", 10**10, True):
        assert (await world.call("PUT", PATH, {"messages_limit": wrong})).status == 422
    assert (await world.call("PUT", PATH, {})).status == 422
    assert (await world.call("GET", "/v1/users/%00/quota")).status == 422
