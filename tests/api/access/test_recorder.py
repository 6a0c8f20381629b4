"""What the audit tells of calls over HTTP."""

import asyncio
from collections.abc import Sequence

import pytest

from openwa_manager.api.access.records import Record
from openwa_manager.domain.access.actions import NEEDS, Action
from openwa_manager.domain.access.audit import ACCEPTED, FAILED, REFUSED, NewEntry
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.access.audit import AuditSelection, window_after
from tests.api.world import World


async def told(world: World, action: str | None = None) -> list[NewEntry]:
    """Return the rows on disk, of one action or of all; what is counted is told first."""
    await world.audit.finish()
    selection = AuditSelection(action=action)
    rows = await world.database.read(lambda connection: window_after(connection, 0, 10_000, selection).rows)
    return [each.entry for each in rows]


async def told_now(world: World, action: str) -> list[NewEntry]:
    """Return the rows on disk at this moment."""
    selection = AuditSelection(action=action)
    return [
        each.entry
        for each in await world.database.read(lambda connection: window_after(connection, 0, 10_000, selection).rows)
    ]


async def test_a_change_is_on_disk_before_its_answer_with_actor_address_and_request_id(world: World) -> None:
    await world.call(
        "POST", "/v1/sessions", {"session_id": "acme", "desired": "stopped"}, headers={"X-Request-ID": "r-7"}
    )

    (entry,) = await told_now(world, "session.create")
    assert (entry.actor, entry.key_id, entry.session_id) == ("admin.key", "admin", "acme")
    assert (entry.address, entry.request_id, entry.result) == ("127.0.0.1", "r-7", ACCEPTED)


async def test_a_session_that_names_itself_is_told_by_the_id_it_got(world: World) -> None:
    created = await world.create(desired="stopped")

    (entry,) = await told_now(world, "session.create")
    assert entry.session_id == created["session_id"]


@pytest.mark.parametrize(
    ("method", "path", "body", "action"),
    [
        ("PATCH", "/v1/sessions/acme", {"labels": {"a": "b"}}, "session.change"),
        ("POST", "/v1/sessions/acme/stop", None, "session.stop"),
        ("POST", "/v1/sessions/stop", {}, "session.stop"),
        ("PATCH", "/v1/sessions/acme/queue", {"state": "paused"}, "queue.change"),
        ("PUT", "/v1/users/7/quota", {"messages_limit": 5}, "quota.change"),
        ("DELETE", "/v1/sessions/acme", None, "session.delete"),
        ("DELETE", "/api/sessions/acme", None, "session.delete"),
    ],
)
async def test_every_change_leaves_one_row(world: World, method: str, path: str, body: object, action: str) -> None:
    await world.create(session_id="acme", desired="stopped")

    reply = await world.call(method, path, body)

    assert reply.status < 300, reply.raw
    (entry,) = await told_now(world, action)
    assert (entry.actor, entry.address, entry.result) == ("admin.key", "127.0.0.1", ACCEPTED)
    assert entry.request_id == reply.headers["X-Request-ID"]
    assert entry.session_id == ("acme" if "acme" in path else None)
    assert await told(world, action) == [entry]


async def test_of_a_key_is_told_which_one_it_is_and_what_it_was_given(world: World) -> None:
    made = await world.call("POST", "/v1/keys", {"name": "cron", "role": "viewer", "sessions": ["a_*", "b"]})
    path = f"/v1/keys/{made.json['id']}"
    await world.call("PATCH", path, {"role": "operator", "qr": True})
    await world.call("DELETE", path)

    entries = await told(world)

    assert [(each.action, each.target, each.detail) for each in entries if each.action.startswith("key.")] == [
        ("key.create", made.json["id"], {"name": "cron", "role": "viewer", "sessions": "a_*, b"}),
        ("key.change", made.json["id"], {"role": "operator", "qr": True}),
        ("key.delete", made.json["id"], {}),
    ]


async def test_what_is_changed_beside_a_session_is_named_but_never_a_person(world: World) -> None:
    await world.call("PUT", "/v1/users/7/quota", {"messages_limit": 5})
    await world.call("POST", "/v1/users/7/suppressions", {"to": "+85298765432"})
    await world.call("DELETE", "/v1/users/7/contacts/+85298765432")

    entries = await told(world)

    assert [(each.action, each.target) for each in entries] == [
        ("quota.change", "7"),
        ("suppressions.change", "7"),
        ("contact.erase", "7"),
    ]
    assert "98765432" not in str(entries)


async def test_what_reads_leaves_no_row(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")
    before = await told(world)

    for path in ("/v1/sessions", "/v1/sessions/acme", "/v1/events", "/v1/registry", "/metrics", "/api/sessions"):
        assert (await world.call("GET", path)).status == 200

    assert await told(world) == before


async def test_a_change_that_cannot_be_read_is_refused_in_the_audit_too(world: World) -> None:
    reply = await world.call("POST", "/v1/sessions", {"session_id": "UPPER"})

    assert reply.status == 422
    (entry,) = await told(world, "session.create")
    assert (entry.result, entry.detail) == (REFUSED, {"status": 422})


async def test_refusals_without_end_are_few_rows(world: World) -> None:
    for _ in range(30):
        assert (await world.call("DELETE", "/v1/sessions/nobody")).status == 404

    entries = await told(world, "session.delete")

    assert [each.result for each in entries] == [REFUSED, REFUSED]
    assert [each.detail for each in entries] == [{"status": 404}, {"status": 404, "count": 29}]
    assert {each.session_id for each in entries} == {"nobody"}


async def test_what_a_role_does_not_allow_is_told(world: World) -> None:
    key = await world.key_of(Role.VIEWER)
    await world.create(session_id="acme", desired="stopped")

    assert (await world.call("POST", "/v1/sessions/acme/start", headers={"X-API-Key": key})).status == 403

    (entry,) = await told(world, "session.start")
    assert (entry.actor, entry.session_id, entry.result, entry.detail) == ("a viewer", "acme", REFUSED, {"status": 403})
    assert entry.key_id is not None
    assert entry.key_id in key


async def test_what_is_out_of_scope_is_told_with_the_session_that_was_tried(world: World) -> None:
    key = await world.key_of(Role.OPERATOR, sessions=["user_1_*"])
    await world.create(session_id="user_2_a", desired="stopped")

    for path in ("/v1/sessions/user_2_a", "/api/sessions/user_2_a"):
        assert (await world.call("DELETE", path, headers={"X-API-Key": key})).status == 404

    entries = await told(world, "session.delete")
    assert [(each.session_id, each.result) for each in entries] == [("user_2_a", REFUSED)] * 2


@pytest.mark.parametrize("path", ["/v1/sessions", "/api/sessions", "/v1/nothing"])
async def test_a_key_that_lets_nobody_in_is_told(world: World, path: str) -> None:
    for _ in range(3):
        await world.call("GET", path, headers={"X-API-Key": "owm_admin_" + "0" * 64})

    entries = await told(world, "key.refused")

    assert [(each.actor, each.address, each.result) for each in entries] == [("unknown", "127.0.0.1", REFUSED)] * 2
    assert [each.detail for each in entries] == [{"status": 401}, {"status": 401, "count": 2}]
    assert {each.key_id for each in entries} == {"admin"}


async def test_keys_of_strangers_are_one_row(world: World) -> None:
    for number in range(20):
        await world.call("GET", "/v1/sessions", headers={"X-API-Key": f"owm_guess{number}_" + "0" * 64})

    entries = await told(world, "key.refused")

    assert [(each.key_id, each.detail.get("count")) for each in entries] == [(None, None), (None, 19)]
    assert "guess" not in str(entries)


async def test_whoever_gives_no_key_is_not_told(world: World) -> None:
    async with world.client.get("/v1/sessions") as answer:
        assert answer.status == 401

    assert await told(world) == []


async def test_sends_are_counted(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")

    for number in range(5):
        reply = await world.call("POST", "/v1/sessions/acme/messages", {"to": f"+8529876543{number}", "text": "hi"})
        assert reply.status == 202

    assert await told_now(world, "message.send") == []
    (entry,) = await told(world, "message.send")
    assert (entry.session_id, entry.detail, entry.request_id) == ("acme", {"count": 5}, None)


async def test_a_code_that_is_shown_is_told_wherever_that_is(world: World) -> None:
    created = await world.create(session_id="acme", wait_for="qr")
    assert created["qr_base64"]
    assert (await world.call("GET", "/v1/sessions/acme/qr")).status == 200
    assert (await world.call("GET", "/api/sessions/acme/qr")).status == 200

    entries = await told_now(world, "qr.read")

    assert [(each.session_id, each.result) for each in entries] == [("acme", ACCEPTED)] * 3


async def test_a_code_that_is_not_there_is_no_reading_of_it(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")

    assert (await world.call("GET", "/v1/sessions/acme/qr")).status == 409

    assert await told(world, "qr.read") == []


async def test_what_an_engine_does_is_on_disk_before_it_is_asked(peers: World) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(peers.call("POST", "/api/sessions/acme/groups", {"name": "x"}))

        entries: Sequence[NewEntry] = []
        async with asyncio.timeout(10):
            while not entries:
                entries = await told_now(peers, "gateway.change")
        await asking

    assert [(each.session_id, each.target) for each in entries] == [("acme", "POST groups")]


async def test_what_fails_is_told_to_have_failed(peers: World) -> None:
    assert (await peers.call("POST", "/api/sessions/acme/vice/silence")).status == 504

    entries = await told(peers, "gateway.unknown")
    assert [(each.result, each.target) for each in entries] == [(ACCEPTED, "POST vice"), (FAILED, "POST vice")]
    assert entries[1].detail == {"status": 504}


async def test_a_session_is_told_by_our_id_also_where_its_engines_was_given(peers: World) -> None:
    inner_id = peers.sessions.get("acme").inner_id
    assert inner_id is not None

    await peers.call("POST", f"/api/sessions/{inner_id}/groups", {"name": "x"})

    (entry,) = await told(peers, "gateway.change")
    assert entry.session_id == "acme"


async def test_a_number_in_a_path_of_the_gateway_is_not_told(peers: World) -> None:
    await peers.call("POST", "/api/sessions/acme/contacts/85298765432@c.us/block")
    await peers.call("GET", "/api/sessions/acme/people/85298765432@c.us")
    await peers.call("GET", "/api/sessions/acme/85298765432@c.us/x")

    entries = [each for each in await told(peers) if each.action.startswith("gateway")]

    assert {each.target for each in entries} == {"POST contacts/{contact_id}/block", "GET people", "GET ?"}
    assert "98765432" not in str(entries)


async def test_a_counted_call_whose_caller_hangs_up_is_counted(world: World) -> None:
    entry = NewEntry(actor="campaign", action=Action.SEND, session_id=SessionId("acme"), request_id="r-1")
    begun, early = [Record(world.audit, entry, NEEDS[Action.SEND], is_read=False) for _ in range(2)]

    await begun.begin()
    begun.leave()
    early.leave()  # nothing had been accepted yet

    (counted,) = await told(world, Action.SEND)
    assert (counted.actor, counted.result, counted.detail) == ("campaign", ACCEPTED, {"count": 1})
