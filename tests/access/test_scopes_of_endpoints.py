"""Which endpoints an admin may know of who is limited to sessions, and what he may have sent to one."""

import pytest

from openwa_manager.domain.access.roles import Role
from tests.access.tenants import OWN_SESSIONS, Tenants
from tests.api.world import Object

_URL = "http://127.0.0.1:9/mine"
_PLAIN = ["session.status", "message.sent", "batch.*"]


async def test_an_endpoint_is_for_ones_own_sessions_unless_it_is_said_otherwise(tenants: Tenants) -> None:
    made = await tenants.ask(await tenants.key(Role.ADMIN), "POST", "/v1/endpoints", {"url": _URL, "events": _PLAIN})

    assert made.status == 201
    assert made.json["sessions"] == list(OWN_SESSIONS)


@pytest.mark.parametrize("patterns", [["*"], ["other_2_session_a"], ["never_1"], ["own_*", "other_*"]])
async def test_an_endpoint_is_for_no_sessions_but_ones_own(tenants: Tenants, patterns: list[str]) -> None:
    key = await tenants.key(Role.ADMIN)
    body = {"url": _URL, "events": _PLAIN, "sessions": patterns}

    made = await tenants.ask(key, "POST", "/v1/endpoints", body)
    path = f"/v1/endpoints/{tenants.own['endpoint_id']}"
    changed = await tenants.ask(key, "PATCH", path, {"sessions": patterns})

    assert (made.status, changed.status) == (404, 404)


@pytest.mark.parametrize(
    ("events", "lacks"),
    [
        (None, "qr"),
        (["*"], "qr"),
        (["session.*"], "qr"),
        (["session.qr"], "qr"),
        (["message.*"], "chats"),
        (["group.left"], "chats"),
        (["status.received"], "chats"),
    ],
)
async def test_nobody_has_sent_somewhere_what_he_may_not_read(
    tenants: Tenants, events: list[str] | None, lacks: str
) -> None:
    key = await tenants.key(Role.ADMIN, qr=lacks != "qr", chats=lacks != "chats")
    body: Object = {"url": _URL} if events is None else {"url": _URL, "events": events}

    made = await tenants.ask(key, "POST", "/v1/endpoints", body)

    assert (made.status, made.code) == (403, "forbidden")
    assert f"{lacks}: true" in str(made.json["detail"])


async def test_nobody_turns_to_himself_what_he_may_not_read(tenants: Tenants) -> None:
    everything = {"url": _URL, "sessions": list(OWN_SESSIONS)}
    full = await tenants.ask(await tenants.key(Role.ADMIN, qr=True, chats=True), "POST", "/v1/endpoints", everything)
    path, plain = f"/v1/endpoints/{full.json['endpoint_id']}", await tenants.key(Role.ADMIN)

    seen = await tenants.ask(plain, "GET", path)
    turned = await tenants.ask(plain, "PATCH", path, {"url": "http://127.0.0.1:9/elsewhere"})
    widened = await tenants.ask(
        plain, "PATCH", f"/v1/endpoints/{tenants.own['endpoint_id']}", {"events": ["session.*"]}
    )
    rotated = await tenants.ask(plain, "POST", f"{path}/rotate-secret")
    removed = await tenants.ask(plain, "DELETE", path)

    assert full.status == 201
    assert seen.status == 200
    assert (turned.status, widened.status, rotated.status) == (403, 403, 403)
    assert removed.status == 204


@pytest.mark.parametrize("pattern", ["user_1*", "a*", "_*", "*a", "user_1_*_*"])
async def test_a_star_follows_a_line_or_stands_alone(tenants: Tenants, pattern: str) -> None:
    body = {"url": _URL, "sessions": [pattern]}

    made = await tenants.world.call("POST", "/v1/endpoints", body)

    assert (made.status, made.code) == (422, "invalid")


async def test_an_endpoint_for_every_session_is_none_of_those_who_are_limited(tenants: Tenants) -> None:
    whole = await tenants.world.call("POST", "/v1/endpoints", {"url": _URL})
    key = await tenants.key(Role.ADMIN, qr=True, chats=True)

    listed = await tenants.ask(key, "GET", "/v1/endpoints")
    shown = await tenants.ask(key, "GET", f"/v1/endpoints/{whole.json['endpoint_id']}")

    assert str(whole.json["endpoint_id"]) not in listed.raw.decode()
    assert tenants.own["endpoint_id"] in listed.raw.decode()
    assert shown.status == 404
