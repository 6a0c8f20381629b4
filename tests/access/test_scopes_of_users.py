"""Who gets at what is kept of a user, and at messages and batches by their ids."""

import pytest

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId
from tests.access.tenants import OWN_SESSIONS, Tenants
from tests.api.world import World
from tests.fakes.polling import until


async def _get(world: World, path: str, *sessions: str) -> int:
    key = await world.key_of(Role.OPERATOR, sessions=sessions, chats=True)
    return (await world.call("GET", path, headers={"X-API-Key": key})).status


@pytest.mark.parametrize("tail", ["quota", "suppressions", "contacts/+4915100000001"])
async def test_a_users_records_are_for_those_who_may_know_of_all_his_sessions(world: World, tail: str) -> None:
    await world.create(session_id="own_1", user_id="one", desired="stopped")
    await world.create(session_id="other_1", user_id="one", desired="stopped")
    path = f"/v1/users/one/{tail}".replace("+", "%2B")

    assert await _get(world, path, "own_1") == 404
    assert await _get(world, path, "own_*", "other_*") == 200
    assert await _get(world, path, "*") == 200
    assert await _get(world, path.replace("one", "nobody"), "own_1") == 404
    assert await _get(world, path.replace("one", "nobody"), "*") == 200


async def test_a_user_stays_somebody_elses_when_his_sessions_are_gone(world: World) -> None:
    await world.create(session_id="other_1", user_id="one", desired="stopped")
    await world.call("POST", "/v1/users/one/suppressions", {"to": "+4915100000001"})
    await world.call("DELETE", "/v1/sessions/other_1")
    await until(lambda: world.find(SessionId("other_1")) is None)
    key = {"X-API-Key": await world.key_of(Role.OPERATOR, sessions=OWN_SESSIONS)}
    body = {"session_id": "own_1", "user_id": "one", "desired": "stopped"}

    taken_over = await world.call("POST", "/v1/sessions", body, headers=key)
    await world.create(**body)
    read = await world.call("GET", "/v1/users/one/suppressions", headers=key)

    assert (taken_over.status, read.status) == (404, 404)


async def test_another_sessions_batch_is_no_place_in_ones_own_list(tenants: Tenants) -> None:
    key, path = await tenants.key(Role.VIEWER), f"/v1/sessions/{tenants.own['session_id']}/batches"

    own = await tenants.ask(key, "GET", path)
    behind_others = await tenants.ask(key, "GET", f"{path}?cursor={tenants.foreign['batch_id']}")
    behind_none = await tenants.ask(key, "GET", f"{path}?cursor=batch_00000000000000000000000000")

    assert tenants.own["batch_id"] in own.raw.decode()
    assert behind_others.json == behind_none.json


async def test_another_sessions_batch_and_reference_find_none_of_ones_own_messages(tenants: Tenants) -> None:
    key, path = await tenants.key(Role.VIEWER), f"/v1/sessions/{tenants.own['session_id']}/messages"

    for query in (f"batch_id={tenants.foreign['batch_id']}", "reference=other-reference"):
        assert (await tenants.ask(key, "GET", f"{path}?{query}")).json == {"messages": [], "next_cursor": None}


async def test_what_is_kept_of_a_message_of_a_session_that_is_gone_stays_its_own(tenants: Tenants) -> None:
    gone = tenants.own["session_id"]
    await tenants.world.call("DELETE", f"/v1/sessions/{gone}")
    await until(lambda: tenants.world.find(SessionId(gone)) is None)
    path = f"/v1/messages/{tenants.own['message_id']}"

    mine = await tenants.ask(await tenants.key(Role.VIEWER), "GET", path)
    theirs = await _get(tenants.world, path, tenants.foreign["session_id"])

    assert (mine.status, theirs) == (200, 404)
