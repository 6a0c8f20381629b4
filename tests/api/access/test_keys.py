import hashlib
import json
from collections.abc import Mapping

import pytest

from openwa_manager.domain.access.keys import KEYS_OF_LIMITED_MAX
from openwa_manager.domain.access.roles import Role
from openwa_manager.services.access.admin_key import AdminKeyFile
from openwa_manager.store.access.keys import load_keys
from tests.api.access.keyring import reloaded
from tests.api.world import Object, Reply, World

PATH = "/v1/keys"
#: What a caller may not tell apart from a key that never was.
UNKNOWN = "0123456789ab"


async def make(world: World, caller: str = "", **fields: object) -> Object:
    body = {"name": "campaign", "role": "sender", **fields}
    reply = await world.call("POST", PATH, body, headers=with_key(caller or world.key))
    assert reply.status == 201, reply.raw
    return reply.json


def with_key(key: object) -> Mapping[str, str]:
    return {"X-API-Key": str(key)}


async def asked(world: World, key: object, path: str = "/v1/sessions") -> Reply:
    return await world.call("GET", path, headers=with_key(key))


async def test_a_key_is_shown_once_and_kept_as_its_hash(world: World) -> None:
    made = await make(world, sessions=["user_1_*"], qr=True, rate_per_s=5)

    assert str(made["key"]).startswith(f"owm_{made['id']}_")
    shown = await world.call("GET", f"{PATH}/{made['id']}")
    assert shown.json == {name: value for name, value in made.items() if name != "key"}
    assert (made["sessions"], made["qr"], made["chats"], made["rate_per_s"]) == (["user_1_*"], True, False, 5.0)
    assert (made["created_by"], made["last_used_at"], made["disabled"]) == ("admin", None, False)
    kept = {each.key_id: each.secret_sha256 for each in await world.database.read(load_keys)}
    assert kept[made["id"]] == hashlib.sha256(str(made["key"]).encode()).digest()  # type: ignore[index]


async def test_a_new_key_opens_what_its_role_allows(world: World) -> None:
    sender = (await make(world))["key"]

    assert (await asked(world, sender)).status == 200
    assert (await asked(world, sender, PATH)).status == 403
    assert (await world.call("POST", "/v1/sessions", {}, headers=with_key(sender))).status == 403


@pytest.mark.parametrize("name", ["admin.key", "Unix Socket", " the daemon ", "pairing link"])
async def test_a_key_does_not_pass_in_the_audit_for_one_who_acts_without(world: World, name: str) -> None:
    made = await make(world)

    new = await world.call("POST", PATH, {"name": name, "role": "viewer"})
    renamed = await world.call("PATCH", f"{PATH}/{made['id']}", {"name": name})

    assert (new.status, new.json["field"], renamed.status, renamed.json["field"]) == (422, "name", 422, "name")


async def test_the_admins_key_is_the_first_of_the_list(world: World) -> None:
    made = await make(world)

    listed = (await world.call("GET", PATH)).json["keys"]

    assert isinstance(listed, list)
    assert [each["id"] for each in listed] == ["admin", made["id"]]
    assert listed[0]["role"] == "admin"


async def test_a_key_is_changed_disabled_and_enabled(world: World) -> None:
    made = await make(world)
    path = f"{PATH}/{made['id']}"

    renamed = await world.call("PATCH", path, {"name": "cron", "role": "viewer", "rate_burst": 3})
    assert (renamed.json["name"], renamed.json["role"], renamed.json["rate_burst"]) == ("cron", "viewer", 3.0)
    assert (await world.call("PATCH", path, {"disabled": True})).json["disabled"] is True
    assert (await asked(world, made["key"])).status == 401
    assert (await world.call("PATCH", path, {"disabled": False, "rate_burst": None})).json["rate_burst"] is None
    assert (await asked(world, made["key"])).status == 200


async def test_a_revoked_key_is_gone(world: World) -> None:
    made = await make(world)

    assert (await world.call("DELETE", f"{PATH}/{made['id']}")).status == 204

    assert (await asked(world, made["key"])).status == 401
    assert (await world.call("GET", f"{PATH}/{made['id']}")).status == 404
    assert (await world.call("DELETE", f"{PATH}/{made['id']}")).status == 404
    assert [each.key_id for each in await world.database.read(load_keys)] == ["admin"]


async def test_a_rotated_key_has_a_new_text_and_the_old_one_ends(world: World) -> None:
    made = await make(world)

    rotated = (await world.call("POST", f"{PATH}/{made['id']}/rotate", {})).json

    assert (rotated["id"], rotated["previous_until"]) == (made["id"], None)
    assert (await asked(world, rotated["key"])).status == 200
    assert (await asked(world, made["key"])).status == 401


async def test_both_texts_hold_as_long_as_they_are_to_overlap(world: World) -> None:
    made = await make(world)

    rotated = (await world.call("POST", f"{PATH}/{made['id']}/rotate", {"overlap_s": 3600})).json

    assert rotated["previous_until"] is not None
    for key in (made["key"], rotated["key"]):
        assert (await asked(world, key)).status == 200


@pytest.mark.parametrize("overlap_s", [-1, 7 * 86_400 + 1, "1", None])
async def test_an_overlap_that_is_none_is_refused(world: World, overlap_s: object) -> None:
    reply = await world.call("POST", f"{PATH}/admin/rotate", {"overlap_s": overlap_s})

    assert (reply.status, reply.code, reply.json["field"]) == (422, "invalid", "overlap_s")


async def test_keys_outlast_the_daemon(world: World) -> None:
    made = await make(world, sessions=["a", "b_*"], chats=True, allowed_ips=["127.0.0.0/8", "::1"])
    before = world.keyring.ring.all()

    again = await reloaded(world.home, world.database)

    assert [each.key_id for each in again.ring.all()] == ["admin", made["id"]]
    assert {each.key_id: each.scope for each in again.ring.all()} == {each.key_id: each.scope for each in before}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": " a"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"role": "root"}, "role"),
        ({"sessions": []}, "sessions"),
        ({"sessions": ["user_1*"]}, "sessions.0"),
        ({"sessions": ["A_*"]}, "sessions.0"),
        ({"qr": "yes"}, "qr"),
        ({"allowed_ips": ["10.0.0.1/8"]}, "allowed_ips"),
        ({"allowed_ips": ["10.0.0.0/33"]}, "allowed_ips"),
        ({"allowed_ips": ["here"]}, "allowed_ips.0"),
        ({"rate_per_s": 0}, "rate_per_s"),
        ({"rate_burst": 0.5}, "rate_burst"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"key": "owm_mine"}, "key"),
    ],
)
async def test_what_is_no_key_is_refused(world: World, fields: Object, field: str) -> None:
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/admin")):
        body = {**({"name": "a", "role": "viewer"} if method == "POST" else {}), **fields}
        reply = await world.call(method, path, body)

        assert (reply.status, reply.code, reply.json["field"]) == (422, "invalid", field), reply.raw


async def test_half_an_emoji_in_a_name_breaks_nothing(world: World) -> None:
    async with world.client.post(
        PATH,
        data=b'{"name": "a \\ud83d", "role": "viewer"}',
        headers={"X-API-Key": world.key, "Content-Type": "application/json"},
    ) as answer:
        assert answer.status in (201, 400, 422)

    assert (await world.call("GET", PATH)).status == 200


async def test_an_admin_of_some_sessions_does_not_take_all_the_room(world: World) -> None:
    limited = (await make(world, role="admin", sessions=["a_*"]))["key"]
    for _ in range(KEYS_OF_LIMITED_MAX - 1):
        made = await make(world, str(limited), role="admin")

    for caller in (limited, made["key"]):
        reply = await world.call("POST", PATH, {"name": "x", "role": "viewer"}, headers=with_key(caller))
        assert (reply.status, reply.code) == (409, "conflict")
    await make(world)


async def test_the_last_admin_stays(world: World) -> None:
    limited = await make(world, role="admin", sessions=["a_*"])
    disabled = await make(world, role="admin", qr=True, chats=True, disabled=True)
    expired = await make(world, role="admin", expires_at="2099-01-01T00:00:00Z", qr=True, chats=True)
    assert (await world.call("PATCH", f"{PATH}/{expired['id']}", {"disabled": True})).status == 200

    for method, body in (
        ("DELETE", None),
        ("PATCH", {"disabled": True}),
        ("PATCH", {"role": "operator"}),
        ("PATCH", {"sessions": ["a_*"]}),
        ("PATCH", {"qr": False}),
        ("PATCH", {"chats": False}),
        ("PATCH", {"expires_at": "2099-01-01T00:00:00Z"}),
    ):
        reply = await world.call(method, f"{PATH}/admin", body)
        assert (reply.status, reply.code) == (409, "last_admin")
    assert (await world.call("PATCH", f"{PATH}/{disabled['id']}", {"disabled": False})).status == 200
    assert (await world.call("DELETE", f"{PATH}/admin")).status == 204
    assert not (world.home / "admin.key").exists()
    assert (await world.call("DELETE", f"{PATH}/{limited['id']}", headers=with_key(disabled["key"]))).status == 204
    assert (await world.call("DELETE", f"{PATH}/{disabled['id']}", headers=with_key(disabled["key"]))).status == 409


async def test_an_admin_that_ends_is_the_last_one_unless_another_goes_on_then(world: World) -> None:
    path = f"{PATH}/admin"
    await make(world, role="admin", qr=True, chats=True, expires_at="2090-01-01T00:00:00Z")

    refused = await world.call("PATCH", path, {"expires_at": "2090-01-01T00:00:00Z"})
    taken = await world.call("PATCH", path, {"expires_at": "2089-12-31T23:59:59Z"})
    renamed = await world.call("PATCH", path, {"name": "first"})

    assert (refused.status, refused.code) == (409, "last_admin")
    assert (taken.status, renamed.status) == (200, 200)


async def test_the_file_is_not_made_again_while_another_admin_is_there(world: World) -> None:
    other = await make(world, role="admin", qr=True, chats=True)
    assert (await world.call("DELETE", f"{PATH}/admin")).status == 204

    again = await reloaded(world.home, world.database)

    assert [each.key_id for each in again.ring.all()] == [other["id"]]
    assert AdminKeyFile(world.home / "admin.key").read() is None


async def test_the_file_is_made_when_nobody_else_is_an_admin(world: World) -> None:
    await make(world, role="admin", sessions=["a_*"])
    (world.home / "admin.key").unlink()

    again = await reloaded(world.home, world.database)

    text = AdminKeyFile(world.home / "admin.key").read()
    assert text not in (None, world.key)
    assert {each.key_id for each in again.ring.all()} >= {"admin"}


async def test_a_file_that_somebody_wrote_anew_is_the_admins_key(world: World) -> None:
    other = await make(world, role="admin", qr=True, chats=True)
    assert (
        await world.call("PATCH", f"{PATH}/admin", {"role": "viewer"}, headers=with_key(other["key"]))
    ).status == 200
    (world.home / "admin.key").write_text(f"owm_mine_{'0' * 64}\n")

    again = await reloaded(world.home, world.database)

    found = again.caller_of(f"owm_mine_{'0' * 64}")
    assert found is not None
    assert (found.key_id, found.role) == ("admin", Role.ADMIN)
    assert again.caller_of(world.key) is None


async def test_the_admins_key_is_rotated_in_its_file(world: World) -> None:
    rotated = (await world.call("POST", f"{PATH}/admin/rotate", {"overlap_s": 60})).json

    assert (world.home / "admin.key").read_text().strip() == rotated["key"]
    again = await reloaded(world.home, world.database)
    for key in (world.key, str(rotated["key"])):
        assert again.caller_of(key) is not None
        assert (await asked(world, key, PATH)).status == 200


async def test_nobody_hands_out_more_than_he_has(world: World) -> None:
    limited = (await make(world, role="admin", sessions=["a_*"]))["key"]

    for fields in ({"sessions": ["*"]}, {"sessions": ["a_1", "b"]}, {"qr": True}, {"chats": True}):
        body = {"name": "x", "role": "viewer", **fields}
        reply = await world.call("POST", PATH, body, headers=with_key(limited))
        assert (reply.status, reply.code) == (403, "forbidden"), fields
    made = await make(world, str(limited), role="admin", sessions=["a_b_*"])
    own = await make(world, str(limited))
    assert own["sessions"] == ["a_*"]
    for fields in ({"sessions": ["b"]}, {"qr": True}):
        reply = await world.call("PATCH", f"{PATH}/{made['id']}", fields, headers=with_key(limited))
        assert (reply.status, reply.code) == (403, "forbidden"), fields


async def test_keys_that_may_more_do_not_exist_for_who_may_less(world: World) -> None:
    with_qr = await make(world, sessions=["a_*"], qr=True)
    elsewhere = await make(world, sessions=["b_*"])
    limited = await make(world, role="admin", sessions=["a_*"])

    listed = (await asked(world, limited["key"], PATH)).json["keys"]
    assert [each["id"] for each in listed] == [limited["id"]]  # type: ignore[union-attr,index,call-overload]
    for method, ending, body in (("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None), ("POST", "/rotate", {})):
        answers = []
        for key_id in ("admin", with_qr["id"], elsewhere["id"], UNKNOWN):
            reply = await world.call(method, f"{PATH}/{key_id}{ending}", body, headers=with_key(limited["key"]))
            answers.append((reply.status, {**reply.json, "request_id": ""}))
        assert answers == [answers[0]] * 4
        assert answers[0][0] == 404


async def test_who_has_an_end_gives_no_key_a_later_one(world: World) -> None:
    soon, later = "2099-01-01T00:00:00Z", "2099-01-02T00:00:00Z"
    bound = await make(world, role="admin", expires_at=soon)
    caller = with_key(bound["key"])

    for method, path, body in (
        ("POST", PATH, {"name": "x", "role": "viewer"}),
        ("POST", PATH, {"name": "x", "role": "viewer", "expires_at": later}),
        ("PATCH", f"{PATH}/{bound['id']}", {"expires_at": None}),
        ("PATCH", f"{PATH}/{bound['id']}", {"expires_at": later}),
    ):
        reply = await world.call(method, path, body, headers=caller)
        assert (reply.status, reply.code) == (403, "forbidden"), body
    eternal = await make(world, role="admin")
    assert (await world.call("POST", f"{PATH}/{eternal['id']}/rotate", {}, headers=caller)).status == 403
    assert (await world.call("PATCH", f"{PATH}/{eternal['id']}", {"name": "y"}, headers=caller)).status == 200
    assert (await make(world, str(bound["key"]), expires_at=soon))["expires_at"] == "2099-01-01T00:00:00.000Z"


async def test_who_is_bound_to_addresses_unbinds_nobody(world: World) -> None:
    bound = await make(world, role="admin", allowed_ips=["127.0.0.0/8", "10.0.0.0/8"])
    caller = with_key(bound["key"])
    for networks in ([], ["0.0.0.0/0"], ["127.0.0.1", "192.0.2.1"], ["::1"]):
        reply = await world.call("PATCH", f"{PATH}/{bound['id']}", {"allowed_ips": networks}, headers=caller)
        assert (reply.status, reply.code) == (403, "forbidden"), networks
    made = await world.call("PATCH", f"{PATH}/{bound['id']}", {"allowed_ips": ["127.0.0.1"]}, headers=caller)
    assert json.loads(made.raw)["allowed_ips"] == ["127.0.0.1/32"]
