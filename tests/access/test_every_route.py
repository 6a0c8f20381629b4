"""Every route there is, asked by every kind of key: what it may not do is refused, what it may not know is not there.

The table of routes is read, so that a route without a rule fails. Rules stand in two tables, by method and path as the
routes have them: `rules.py` for `/v1`, `gateway_rules.py` for the gateway. A route's rule says how it is asked about a
tenant (`tenants.py`: the parameters of its path, and the names in its queries and bodies, are a tenant's; a parameter
that names nothing of a tenant is 1) and which statuses what is one's own may be answered with. From that and from
`NEEDS` follows what each kind of key (role x qr x chats, limited to the own tenant's sessions) must be told:

* one that lacks a role or a right: 403, the same for what is its own, for another's, and for what was never there;
* one that does not: of what is another's, exactly what it is told of what was never there, and no word of the other's;
* of what is its own, one of the statuses in the rule (asked with the least key that may, since it may change things).

Last, nothing of the other tenant has changed.
"""

import re
from collections.abc import AsyncIterator, Mapping
from itertools import product
from typing import NamedTuple

import pytest

from openwa_manager.api.app import make_table
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import Action, Forbidden, may
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.session.session import SessionId
from tests.access.gateway_rules import GATEWAY
from tests.access.rules import CONTROL, Ask, Rule
from tests.access.tenants import NOBODY, OWN_SESSIONS, Tenant, Tenants
from tests.api.world import Reply, World, backing_of

RULES: Mapping[str, Rule] = {**CONTROL, **GATEWAY}
_PARAMETER = re.compile(r"{(\w+)}")


class Key(NamedTuple):
    """A key, and what it may."""

    text: str
    caller: Caller


class Told(NamedTuple):
    """What a caller was told, without what tells which call this was."""

    status: int
    media_type: str
    text: str


@pytest.fixture
async def keys(tenants: Tenants) -> list[Key]:
    """Give a key of each kind, those first that may least."""
    made = list[Key]()
    for role, qr, chats in product(Role, (False, True), (False, True)):
        caller = Caller(name="a key", role=role, scope=scope_of(OWN_SESSIONS), has_qr=qr, has_chats=chats)
        made.append(Key(await tenants.key(role, qr=qr, chats=chats), caller))
    return made


@pytest.fixture
async def foreign_before(tenants: Tenants) -> AsyncIterator[None]:
    """Check that nothing of the other tenant has changed in the end."""
    before = await _all_of(tenants)
    yield
    assert await _all_of(tenants) == before


def routes_of(world: World) -> tuple[Route, ...]:
    return make_table(backing_of(world), world.gateway)


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def checked_routes(world: World) -> list[Route]:
    """Return the routes in the order in which they are asked: those last that remove what others ask for."""
    one_session = ("/v1/sessions/{session_id}", "/api/sessions/{id}")
    return sorted(routes_of(world), key=lambda each: (each.method == "DELETE", each.path in one_session))


async def test_every_route_has_a_rule_and_every_rule_a_route(world: World) -> None:
    assert {name_of(each) for each in checked_routes(world)} == set(RULES)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("foreign_before")
async def test_no_key_does_or_learns_more_than_it_may(tenants: Tenants, keys: list[Key]) -> None:
    for route in checked_routes(tenants.world):
        rule = RULES[name_of(route)]
        allowed = [key for key in keys if _may(key.caller, route.action)]
        for key, ask in product(keys, rule.asks):
            if key in allowed:
                await _check_hidden(tenants, key, route, ask)
            else:
                await _check_forbidden(tenants, key, route, ask)
        if tenants.world.find(SessionId(tenants.own["session_id"])) is None:  # its removal was asked for before
            await tenants.world.create(session_id=tenants.own["session_id"], desired="stopped")
        for ask in rule.asks if allowed else ():
            reply = await _send(tenants, allowed[0], route, ask, tenants.own)
            assert reply.status in rule.allowed, (name_of(route), allowed[0].caller, reply.raw)


async def _check_forbidden(tenants: Tenants, key: Key, route: Route, ask: Ask) -> None:
    told = [await _told(tenants, key, route, ask, each) for each in (tenants.own, tenants.foreign, NOBODY)]
    assert told[0].status == 403, (name_of(route), key.caller, told[0])
    assert told[0] == told[1] == told[2], name_of(route)


async def _check_hidden(tenants: Tenants, key: Key, route: Route, ask: Ask) -> None:
    hidden = RULES[name_of(route)].hidden
    if hidden is None:
        reply = await _send(tenants, key, route, ask, tenants.own)
        assert reply.status in RULES[name_of(route)].allowed, (name_of(route), key.caller, reply.raw)
        assert not tenants.foreign.is_told_in(_whole(reply)), name_of(route)
        return
    reply = await _send(tenants, key, route, ask, tenants.foreign)
    told = _told_by(reply, tenants.foreign)
    assert told.status in hidden, (name_of(route), key.caller, told)
    assert told == await _told(tenants, key, route, ask, NOBODY), name_of(route)
    assert not tenants.foreign.is_told_in(told.text), name_of(route)


async def _told(tenants: Tenants, key: Key, route: Route, ask: Ask, tenant: Tenant) -> Told:
    return _told_by(await _send(tenants, key, route, ask, tenant), tenant)


async def _send(tenants: Tenants, key: Key, route: Route, ask: Ask, tenant: Tenant) -> Reply:
    path = _filled(RULES[name_of(route)].path or route.path, tenant)
    query = f"?{_filled(ask.query, tenant)}" if ask.query else ""
    body = None if ask.body is None else ask.body(tenant)
    method = "GET" if route.method == "*" else route.method
    return await tenants.ask(key.text, method, path + query.replace("+", "%2B"), body)


def _filled(template: str, tenant: Tenant) -> str:
    return _PARAMETER.sub(lambda match: tenant.names.get(match[1], "1"), template)


def _may(caller: Caller, action: Action | None) -> bool:
    return action is None or not isinstance(may(caller, action), Forbidden)


def _told_by(reply: Reply, tenant: Tenant) -> Told:
    text = tenant.blurred(reply.raw.decode())
    return Told(reply.status, reply.headers.get("Content-Type", ""), re.sub(r'"request_id": ?"[^"]*"', "", text))


def _whole(reply: Reply) -> str:
    return "\n".join([*(f"{name}: {value}" for name, value in reply.headers.items()), reply.raw.decode("latin-1")])


async def _all_of(tenants: Tenants) -> list[object]:
    """Return all that the admin sees of the other tenant, but for what changes by itself."""
    session_id, endpoint_id = tenants.foreign["session_id"], tenants.foreign["endpoint_id"]
    user = f"/v1/users/{tenants.foreign['user_id']}"
    of_session = (f"/v1/sessions/{session_id}{tail}" for tail in ("", "/messages", "/batches", "/why"))
    others = (f"/v1/endpoints/{endpoint_id}", f"{user}/quota", f"{user}/suppressions")
    seen = [(await tenants.world.call("GET", path)).json for path in (*of_session, *others)]
    return [_lasting(each) for each in seen]


#: What changes while nobody asks for anything.
_PASSING = frozenset(
    {"updated_at", "last_seen_at", "usage", "pending_count", "estimated_at", "hold", "position", "coming", "next_step"}
    | {"last_status", "last_error", "down_since", "next_probe_at"}
)


def _lasting(shown: object) -> object:
    """Return what is shown without what changes by itself."""
    if isinstance(shown, dict):
        passing = _PASSING | {"status"} if "down_since" in shown else _PASSING  # whether an endpoint answers
        return {name: _lasting(value) for name, value in shown.items() if name not in passing}
    return [_lasting(each) for each in shown] if isinstance(shown, list) else shown
