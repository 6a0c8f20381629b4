"""Headers by which a request or an answer would get around what was decided here."""

import json

from openwa_manager.domain.access.roles import Role
from tests.api.gateway.rights.callers import asker
from tests.api.world import World

OVERRIDES = {
    "Origin": "https://elsewhere.example",
    "X-HTTP-Method": "DELETE",
    "X-HTTP-Method-Override": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Original-URL": "/api/sessions",
    "X-Rewrite-URL": "/api/sessions",
}


async def test_no_header_makes_another_call_of_it_at_the_engine(peers: World) -> None:
    admin = await asker(peers, Role.ADMIN, qr=True, chats=True)

    seen = json.loads((await admin("POST", "/api/sessions/acme/vice/echo", {}, OVERRIDES)).raw)

    names = {line.partition(":")[0].lower() for line in seen["head"].splitlines()}
    assert names.isdisjoint(name.lower() for name in OVERRIDES)


async def test_an_engine_lets_no_page_read_its_answers_and_sets_no_cookie(peers: World) -> None:
    admin = await asker(peers, Role.ADMIN, qr=True, chats=True)
    dress = "Access-Control-Allow-Origin=*&Access-Control-Allow-Credentials=true&Set-Cookie=a=b&X-Kept=yes"

    reply = await admin("POST", f"/api/sessions/acme/vice/dressed?{dress}", {})

    names = {name.lower() for name in reply.headers}
    assert "x-kept" in names
    assert not [name for name in names if name.startswith("access-control-") or name == "set-cookie"]
