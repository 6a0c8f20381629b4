"""What a key that is limited to sessions is told of the others."""

import json

import pytest

from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.session.session import SessionId, Usage
from tests.api.gateway.rights.callers import Asker, asker
from tests.api.gateway.test_sessions import error
from tests.api.world import Reply, World

TEXT = {"chatId": "628123456789@c.us", "text": "Hello"}


def ids(reply: Reply) -> list[str]:
    return [each["id"] for each in json.loads(reply.raw)]


@pytest.fixture
async def limited(world: World) -> Asker:
    """Give an operator of `user_1`, beside sessions of that user and of another."""
    for name in ("user_1_a", "user_10_a", "user_1_b", "shop"):
        assert (await world.call("POST", "/api/sessions", {"name": name})).status == 201
    return await asker(world, Role.OPERATOR, sessions=["user_1_*"], qr=True, chats=True)


async def test_a_limited_key_lists_its_own_sessions_in_whole_pages(limited: Asker) -> None:
    assert ids(await limited("GET", "/api/sessions")) == ["user_1_b", "user_1_a"]
    assert ids(await limited("GET", "/api/sessions?limit=1&offset=1")) == ["user_1_a"]
    assert ids(await limited("GET", "/api/sessions?name=shop")) == []
    assert ids(await limited("GET", "/api/sessions?name=user_1_a")) == ["user_1_a"]


async def test_an_overview_counts_a_keys_own_sessions_alone(world: World, limited: Asker) -> None:
    world.used |= {
        SessionId("user_1_a"): Usage(rss_bytes=2 << 20, cpu_percent=0.0, process_count=1),
        SessionId("shop"): Usage(rss_bytes=64 << 20, cpu_percent=0.0, process_count=1),
    }

    overview = (await limited("GET", "/api/sessions/stats/overview")).json

    assert (overview["total"], overview["byStatus"]) == (2, {"created": 2})
    assert overview["memoryUsage"] == {"heapUsed": 2, "heapTotal": 2, "rss": 2}


async def test_a_name_out_of_reach_is_refused_alike_whether_it_is_taken_or_free(world: World, limited: Asker) -> None:
    taken = await limited("POST", "/api/sessions", {"name": "user_10_a"})
    free = await limited("POST", "/api/sessions", {"name": "user_10_b"})
    own = await limited("POST", "/api/sessions", {"name": "user_1_a"})
    new = await limited("POST", "/api/sessions", {"name": "user_1_c"})

    assert error(taken) == (404, "Session with id 'user_10_a' not found")
    assert error(free) == (404, "Session with id 'user_10_b' not found")
    assert taken.raw.replace(b"_a", b"_b") == free.raw
    assert error(own)[0] == 409
    assert new.status == 201
    assert world.find(SessionId("user_10_b")) is None


@pytest.mark.parametrize("fields", [{"proxyUrl": "http://127.0.0.1:3128"}, {"proxyType": "socks5"}])
async def test_only_an_admin_chooses_a_proxy(world: World, fields: dict[str, str]) -> None:
    operator = await asker(world, Role.OPERATOR, qr=True, chats=True)
    admin = await asker(world, Role.ADMIN)

    refused = await operator("POST", "/api/sessions", {"name": "acme", **fields})
    hidden = await asker(world, Role.OPERATOR, sessions=["shop"])
    told = await hidden("POST", "/api/sessions", {"name": "acme", **fields})
    made = await admin("POST", "/api/sessions", {"name": "acme", **fields})

    assert error(refused) == (403, "this needs the role admin; the key has the role operator")
    assert told.raw == refused.raw
    assert made.status == 201


@pytest.mark.parametrize(
    ("role", "sessions", "told"),
    [
        (Role.VIEWER, ["*"], {"role": "viewer", "scoped": False}),
        (Role.SENDER, ["shop", "user_1_*"], {"role": "operator", "scoped": True}),
        (Role.OPERATOR, ["shop"], {"role": "operator", "scoped": True}),
        (Role.ADMIN, ["*"], {"role": "admin", "scoped": False}),
    ],
)
async def test_a_key_is_told_its_role_and_whether_it_is_limited(
    world: World, role: Role, sessions: list[str], told: dict[str, object]
) -> None:
    caller = await asker(world, role, sessions=sessions)

    assert (await caller("POST", "/api/auth/validate")).json == {"valid": True, **told}


async def test_webhooks_of_all_sessions_are_those_of_ones_own(world: World, limited: Asker) -> None:
    hook = {"url": "http://192.0.2.1:9/a", "events": ["session.status"]}
    for name in ("shop", "user_1_a", "user_10_a", "user_1_b"):
        assert (await world.call("POST", f"/api/sessions/{name}/webhooks", hook)).status == 201

    shown = json.loads((await limited("GET", "/api/webhooks")).raw)
    page = json.loads((await limited("GET", "/api/webhooks?limit=1&offset=1")).raw)

    assert [each["sessionId"] for each in shown] == ["user_1_b", "user_1_a"]
    assert [each["sessionId"] for each in page] == ["user_1_a"]


async def test_a_webhook_of_another_session_is_not_found(world: World, limited: Asker) -> None:
    hook = {"url": "http://192.0.2.1:9/a", "events": ["session.status"]}
    made = (await world.call("POST", "/api/sessions/shop/webhooks", hook)).json

    for method in ("GET", "PUT", "DELETE"):
        reply = await limited(method, f"/api/sessions/user_1_a/webhooks/{made['id']}", {"active": False})
        assert error(reply) == (404, f"Webhook with id '{made['id']}' not found")


async def test_a_search_is_for_the_messages_of_a_session_one_may_know_of(peers: World) -> None:
    await peers.create(session_id="other-1", wait_for="connected")
    caller = await asker(peers, Role.OPERATOR, sessions=["acme"], chats=True)

    own = await caller("GET", "/api/search?sessionId=acme&q=x")
    other = await caller("GET", "/api/search?sessionId=other-1&q=x")
    none = await caller("GET", "/api/search?sessionId=other-2&q=x")
    inner = await caller("GET", f"/api/search?sessionId={peers.sessions.get('other-1').inner_id}&q=x")
    both = await caller("GET", "/api/search?sessionId=acme&q=x&sessionId=other-1")

    assert own.status == 200
    assert error(other) == (404, "Session with id 'other-1' not found")
    assert other.raw.replace(b"-1", b"-2") == none.raw
    assert error(inner)[0] == 404
    assert b"other-1" not in both.raw


async def test_batches_and_keys_of_another_session_are_not_known(peers: World) -> None:
    await peers.create(session_id="other-1", wait_for="connected")
    item = {"chatId": "628123456789@c.us", "type": "text", "content": {"text": "secret of others"}}
    theirs = "/api/sessions/other-1/messages"
    made = await peers.call("POST", f"{theirs}/send-bulk", {"batchId": "b1", "messages": [item]})
    sent = await peers.call("POST", f"{theirs}/send-text", TEXT, headers={"Idempotency-Key": "k1"})
    caller = await asker(peers, Role.SENDER, sessions=["acme"])

    shown = await caller("GET", "/api/sessions/acme/messages/batch/b1")
    cancelled = await caller("POST", "/api/sessions/acme/messages/batch/b1/cancel")
    again = await caller("POST", "/api/sessions/acme/messages/send-text", TEXT, headers={"Idempotency-Key": "k1"})
    other = await caller("POST", "/api/sessions/acme/messages/send-text", TEXT, headers={"Idempotency-Key": "k2"})

    assert (made.status, sent.status) == (202, 201)
    assert b"secret" not in shown.raw + cancelled.raw
    assert (again.status, other.status) == (201, 201)
    assert (await peers.call("GET", f"{theirs}/batch/b1")).json["progress"]["cancelled"] == 0  # type: ignore[index,call-overload]


async def test_what_a_body_says_of_sessions_changes_nothing(peers: World) -> None:
    await peers.create(session_id="other-1", wait_for="connected")
    inner_id = peers.sessions.get("other-1").inner_id
    caller = await asker(peers, Role.ADMIN, sessions=["acme"], qr=True, chats=True)
    body = {"sessionId": inner_id, "session": "other-1", "id": "other-1"}

    seen = json.loads((await caller("POST", f"/api/sessions/acme/vice/echo?sessionId={inner_id}", body)).raw)

    own_id = peers.sessions.get("acme").inner_id
    assert str(seen["head"]).startswith(f"POST /api/sessions/{own_id}/vice/echo?")
