"""`/v1/audit` over HTTP."""

from dataclasses import replace

import pytest

from openwa_manager.domain.access.audit import NewEntry
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId
from tests.api.world import Object, World

ENTRY = NewEntry(actor="shop", action="session.stop", session_id=SessionId("user_1_a"))


async def entries(world: World, query: str = "") -> list[Object]:
    found = (await world.call("GET", f"/v1/audit{query}")).json["entries"]
    assert isinstance(found, list)
    return found


async def test_rows_are_told_in_pages_with_the_newest_hash(world: World) -> None:
    for number in range(3):
        await world.audit.record(replace(ENTRY, target=str(number), detail={"count": number}))

    first = (await world.call("GET", "/v1/audit?limit=2")).json
    second = (await world.call("GET", f"/v1/audit?after={first['next_after']}")).json

    assert [each["seq"] for each in await entries(world)] == [1, 2, 3]
    assert (await entries(world))[1] == {
        "seq": 2,
        "at": (await entries(world))[1]["at"],
        "actor": "shop",
        "key_id": None,
        "action": "session.stop",
        "session_id": "user_1_a",
        "target": "1",
        "address": None,
        "request_id": None,
        "result": "accepted",
        "detail": {"count": 1},
        "hash": (await entries(world))[1]["hash"],
    }
    assert second["head"] == (await entries(world))[2]["hash"]
    assert second["next_after"] == 3


@pytest.mark.parametrize(
    ("query", "seqs"),
    [
        ("?actor=shop", [1, 3]),
        ("?action=key.create", [2]),
        ("?session_id=user_2_b", [3]),
        ("?tail=1", [3]),
        ("?after=3", []),
    ],
)
async def test_rows_are_chosen(world: World, query: str, seqs: list[int]) -> None:
    await world.audit.record(ENTRY)
    await world.audit.record(replace(ENTRY, actor="cron", action="key.create", session_id=None))
    await world.audit.record(replace(ENTRY, session_id=SessionId("user_2_b")))

    assert [each["seq"] for each in await entries(world, query)] == seqs


@pytest.mark.parametrize("query", ["?tail=1&after=1", "?limit=0", "?limit=1001", "?after=-1", "?actor=", "?x=1"])
async def test_a_query_that_means_nothing_is_refused(world: World, query: str) -> None:
    assert (await world.call("GET", f"/v1/audit{query}")).status == 422


async def test_an_admin_of_some_sessions_sees_their_rows_alone(world: World) -> None:
    await world.audit.record(ENTRY)
    await world.audit.record(replace(ENTRY, session_id=SessionId("user_2_b")))
    await world.audit.record(replace(ENTRY, session_id=None))
    key = {"X-API-Key": await world.key_of(Role.ADMIN, sessions=["user_1_*"])}

    page = (await world.call("GET", "/v1/audit", headers=key)).json
    other = (await world.call("GET", "/v1/audit?session_id=user_2_b", headers=key)).json

    assert [each["session_id"] for each in page["entries"]] == ["user_1_a"]  # type: ignore[index,union-attr,call-overload]
    assert (page["head"], other["entries"]) == (None, [])
    assert (await world.call("GET", "/v1/audit/verify", headers=key)).status == 403


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SENDER, Role.OPERATOR])
async def test_only_admins_read_it(world: World, role: Role) -> None:
    key = {"X-API-Key": await world.key_of(role, qr=True, chats=True)}

    assert (await world.call("GET", "/v1/audit", headers=key)).status == 403
    assert (await world.call("GET", "/v1/audit/verify", headers=key)).status == 403


async def test_a_sound_chain_is_found_sound_up_to_a_hash_that_was_told(world: World) -> None:
    await world.audit.record(ENTRY)
    head = (await world.call("GET", "/v1/audit")).json["head"]
    await world.audit.record(ENTRY)

    check = (await world.call("GET", f"/v1/audit/verify?head={head}")).json
    unknown = (await world.call("GET", f"/v1/audit/verify?head={'0' * 63}1")).json

    assert check == {"intact": True, "row_count": 2, "last_seq": 2, "head_known": True, "faults": []}
    assert (unknown["intact"], unknown["head_known"]) == (False, False)
    assert (await world.call("GET", "/v1/audit/verify?head=xyz")).status == 422


async def test_a_row_that_was_changed_by_hand_is_named(world: World) -> None:
    for _ in range(3):
        await world.audit.record(ENTRY)
    await world.database.write(lambda connection: connection.execute("UPDATE audit SET actor = 'x' WHERE seq = 2"))
    await world.database.write(lambda connection: connection.execute("DELETE FROM audit WHERE seq = 3"))

    check = (await world.call("GET", "/v1/audit/verify")).json

    assert check["intact"] is False
    assert check["faults"] == [
        {
            "kind": "changed",
            "first_seq": 2,
            "last_seq": 2,
            "detail": "row 2 was changed, or stands in the place of another",
        },
        {"kind": "missing", "first_seq": 3, "last_seq": 3, "detail": "row 3 was removed"},
    ]


async def test_a_full_disk_refuses_changes_but_not_reads_stops_and_deletions(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")
    await world.create(session_id="other", desired="stopped")
    key_id = (await world.key_of(Role.VIEWER)).split("_")[1]
    await world.database.write(_fill)
    world.audit.note(replace(ENTRY, detail={"large": "x" * 100_000}))
    await world.audit.finish()

    refused = await world.call("PATCH", "/v1/sessions/acme", {"labels": {"a": "b"}})
    unsent = await world.call("POST", "/v1/sessions/acme/messages", {"to": "+85298765432", "text": "hi"})
    read = await world.call("GET", "/v1/sessions/acme")
    stopped = await world.call("POST", "/v1/sessions/acme/stop")
    revoked = await world.call("DELETE", f"/v1/keys/{key_id}")
    deleted = await world.call("DELETE", "/v1/sessions/other")

    assert (refused.status, refused.code) == (507, "storage_full")
    assert (unsent.status, unsent.code) == (507, "storage_full")
    assert (read.status, read.json["labels"], stopped.status) == (200, {}, 202)
    assert (revoked.status, deleted.status) == (204, 204)
    await world.database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
    assert (await world.call("PATCH", "/v1/sessions/acme", {"labels": {"a": "b"}})).status == 200
    told = [(each["action"], each["result"]) for each in await entries(world, "?limit=1000")]
    assert ("session.stop", "accepted") in told
    assert ("session.delete", "accepted") in told
    assert ("key.delete", "accepted") in told


def _fill(connection: object) -> None:
    execute = connection.execute  # type: ignore[attr-defined]
    (count,) = execute("PRAGMA page_count").fetchone()
    execute(f"PRAGMA max_page_count = {count}")


async def test_a_stream_that_shows_codes_is_told_once(world: World) -> None:
    key = {"X-API-Key": await world.key_of(Role.VIEWER, qr=True), "Accept": "text/event-stream"}
    async with world.client.get("/v1/events?type=session.qr", headers=key) as stream:
        await world.create(session_id="acme", wait_for="qr")
        async with world.client.get("/v1/events?type=session.qr&after=0", headers=key) as again:
            await again.content.readuntil(b"qr_base64")
        await stream.content.readuntil(b"qr_base64")

    rows = [each for each in await entries(world, "?action=qr.read") if each["actor"] == "a viewer"]
    assert [each["session_id"] for each in rows] == ["acme", "acme"]


async def test_a_page_that_shows_a_code_is_told(world: World) -> None:
    key = {"X-API-Key": await world.key_of(Role.VIEWER, qr=True)}
    await world.create(session_id="acme", wait_for="qr")

    page = await world.call("GET", "/v1/events?type=session.qr", headers=key)

    assert b"qr_base64" in page.raw
    (row,) = [each for each in await entries(world, "?action=qr.read") if each["actor"] == "a viewer"]
    assert row["session_id"] == "acme"
