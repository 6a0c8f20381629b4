"""Who may call which of OpenWA's routes."""

from collections.abc import Mapping
from itertools import product

import pytest
from yarl import URL

from openwa_manager.api.gateway.forwarded import FORWARDED
from openwa_manager.domain.access.actions import NEEDS, Action
from openwa_manager.domain.access.roles import Role
from tests.api.gateway.rights.callers import Asker, asker
from tests.api.gateway.test_sessions import error
from tests.api.world import Reply, World

UNKNOWN = ("GET anything", "POST messages", "PATCH webhooks/1", "OPTIONS chats", "DELETE config", "GET proxy/x")
LINES = [(action, line) for action, lines in FORWARDED.items() for line in lines] + [
    (Action.FORWARD_UNKNOWN, line) for line in UNKNOWN
]
TEXT = {"chatId": "628123456789@c.us", "text": "Hello"}
#: One body for each: what is made of it does not matter to the peer.
BODIES: Mapping[str, object] = {
    "PATCH config": {"autoRejectCalls": True},
    "POST webhooks": {"url": "http://192.0.2.1:9/a", "events": ["session.status"]},
    "PUT webhooks/{webhook_id}": {"events": ["session.status"]},
    "POST messages/send-bulk": {"messages": [{"chatId": TEXT["chatId"], "type": "text", "content": {"text": "Hello"}}]},
}


#: What the peer shows as a webhook names no events, and so may post what people write.
NAMELESS = "PUT webhooks/{webhook_id}"


async def ask(caller: Asker, name: str, line: str) -> int:
    method, _, tail = line.partition(" ")
    path = f"/api/sessions/{name}/{tail.replace('{', '').replace('}', '')}"
    body = None if method in ("GET", "OPTIONS") else BODIES.get(line, TEXT)
    return (await caller(method, path, body)).status


@pytest.mark.parametrize("role", Role)
async def test_each_route_is_for_those_who_have_what_its_action_needs(peers: World, role: Role) -> None:
    for qr, chats in product((False, True), repeat=2):
        caller = await asker(peers, role, qr=qr, chats=chats)

        found = {line: await ask(caller, "acme", line) for _, line in LINES}

        refused = {
            line
            for action, line in LINES
            if not role.includes((need := NEEDS[action]).role)
            or (need.qr and not qr)
            or ((need.chats or line == NAMELESS) and not chats)
        }
        assert {line for line, status in found.items() if status == 403} == refused, (qr, chats)
        assert not [line for line, status in found.items() if status >= 500]


async def test_a_session_out_of_reach_answers_as_one_that_does_not_exist(peers: World) -> None:
    await peers.create(session_id="other-1", wait_for="connected")
    inner_id = peers.sessions.get("other-1").inner_id
    assert inner_id is not None
    caller = await asker(peers, Role.ADMIN, sessions=["acme"], qr=True, chats=True)
    none = "0b2f4b1e-0d5e-4b7e-9a51-6d1b6f1f0c11"

    for _, line in LINES:
        method, _, tail = line.partition(" ")
        replies = []
        for name in ("other-1", inner_id, none):
            body = None if method in ("GET", "OPTIONS") else BODIES.get(line, TEXT)
            path = f"/api/sessions/{name}/{tail.replace('{', '').replace('}', '')}"
            reply = await caller(method, path, body)
            replies.append((reply.status, reply.raw.replace(name.encode(), b"?")))
        assert len(set(replies)) == 1, (line, replies)
        assert replies[0][0] == 404, line


async def test_an_id_a_key_is_for_is_not_active_until_it_is_made(peers: World) -> None:
    caller = await asker(peers, Role.SENDER, sessions=["acme", "shop_*"])

    of_key = await caller("POST", "/api/sessions/shop_1/messages/send-text", TEXT)
    of_others = await caller("POST", "/api/sessions/other_1/messages/send-text", TEXT)

    assert error(of_key) == (400, "Session 'shop_1' is not active. Start the session first.")
    assert error(of_others) == (404, "Session with id 'other_1' not found")


async def test_a_refusal_has_openwas_shape_and_says_what_is_missing(peers: World) -> None:
    sender = await asker(peers, Role.SENDER)
    operator = await asker(peers, Role.OPERATOR)

    assert error(await sender("GET", "/api/sessions/acme/groups")) == (
        403,
        "this needs the role operator; the key has the role sender",
    )
    reply = await operator("GET", "/api/sessions/acme/groups")
    assert reply.json["error"] == "Forbidden"
    assert "chats: true" in str(reply.json["message"])


AROUND_A_RIGHT = (
    "/api/sessions/acme/Groups/",
    "/api/sessions/acme/gr%6fups",
    "/api/sessions/acme/groups%2F",
    "/api/sessions/acme//groups",
    "/api/sessions/acme/groups;x=1",
    "/api/sessions/acme/groups%3Bx",
    "/api/sessions/acme/%67roups/..;/groups",
    "/api/sessions/acme/x/%252e%252e/groups",
    "/api/sessions/acme/groups%00",
    "/api/sessions/acme/groups%20",
)
AWAY = (
    "/api/sessions/acme/../other-1/chats",
    "/api/sessions/acme%2F..%2Fother-1/chats",
    "/api/sessions/acme/..%2Fother-1/chats",
    "/api/sessions/acme/%2e%2e/other-1/chats",
    "/api/sessions/acme/%2E./other-1",
    "/api/sessions/acme%00/chats",
    "/api/sessions/other-1%2F/chats",
    "/api/sessions//other-1/chats",
    "/api/sessions/OTHER-1/chats",
    "/api/sessions/./other-1/chats",
)


async def get(caller: Asker, path: str) -> Reply:
    """Ask for a path just as it is spelt."""
    client = caller.world.client
    async with client.session.get(
        client.make_url("/").join(URL(path, encoded=True)), headers={"X-API-Key": caller.key}
    ) as answer:
        return Reply(answer.status, dict(answer.headers), await answer.read())


async def test_no_spelling_of_a_path_gets_around_a_right(peers: World) -> None:
    operator = await asker(peers, Role.OPERATOR, qr=True)

    assert {path: (await get(operator, path)).status for path in AROUND_A_RIGHT} == dict.fromkeys(AROUND_A_RIGHT, 403)


async def test_no_spelling_of_a_path_leads_to_another_session(peers: World) -> None:
    await peers.create(session_id="other-1", wait_for="connected")
    inner_id = str(peers.sessions.get("other-1").inner_id).encode()
    admin = await asker(peers, Role.ADMIN, sessions=["acme"], qr=True, chats=True)

    replies = {path: await get(admin, path) for path in AWAY}

    assert {path for path, reply in replies.items() if reply.status != 404} <= {"/api/sessions/acme/..%2Fother-1/chats"}
    assert not [path for path, reply in replies.items() if inner_id in reply.raw]
