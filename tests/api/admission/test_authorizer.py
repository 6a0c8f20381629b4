from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientResponse, web
from aiohttp.typedefs import Handler
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.admission.authorizer import Authorizer
from openwa_manager.api.app import make_table
from openwa_manager.api.request_keys import CALLER
from openwa_manager.api.requests import Nothing
from openwa_manager.api.routing import Call, Route, Unmatched, refuse_unmatched, route
from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.roles import OPEN, Role
from tests.api.guarding import answering
from tests.api.world import World, backing_of

Ask = Callable[[str, Role | None], Awaitable[ClientResponse]]

#: What people use who have a link and no key.
PAGES = {"/pair/{token}", "/pair/{token}/events", "/pair/{token}/code"}
DOCS = {"/docs", *(f"/docs/{each}" for each in ("search", "index.json", "assets/{name}", "{page}", "{folder}/{page}"))}
HEALTH = {"/livez", "/readyz", "/api/health", "/api/health/live", "/api/health/ready"}
OPEN_ROUTES = {*HEALTH, "/openapi.json", *PAGES, *DOCS}
#: What each role may beside what the one before it may.
ROLES = {
    Role.VIEWER: {
        *("GET /metrics", "GET /v1/deliveries", "GET /v1/events", "GET /v1/registry"),
        *("GET /v1/sessions", "GET /v1/system", "GET /api/sessions", "GET /api/sessions/stats/overview"),
        *(f"GET /v1/sessions/{{session_id}}{rest}" for rest in ("", "/events", "/health", "/qr", "/why")),
        *(f"GET /v1/sessions/{{session_id}}{rest}" for rest in ("/messages", "/batches", "/queue")),
        *("GET /v1/messages/{message_id}", "GET /v1/batches/{batch_id}"),
        *("GET /api/sessions/{id}", "GET /api/sessions/{id}/qr", "GET /api/sessions/{id}/health"),
        *("POST /api/auth/validate", "* /api/{rest:.*}"),  # the last refuses everybody
    },
    Role.ADMIN: {
        *("GET /v1/endpoints", "POST /v1/endpoints", "GET /v1/audit", "GET /v1/audit/verify"),
        *(f"{method} /v1/endpoints/{{endpoint_id}}" for method in ("GET", "PATCH", "DELETE")),
        *(f"POST /v1/endpoints/{{endpoint_id}}/{verb}" for verb in ("resume", "rotate-secret", "test")),
        *("GET /v1/keys", "POST /v1/keys", "POST /v1/keys/{key_id}/rotate"),
        *(f"{method} /v1/keys/{{key_id}}" for method in ("GET", "PATCH", "DELETE")),
        *("GET /v1/doctor", "GET /v1/builds", "POST /v1/builds", "POST /v1/builds/rollouts"),
        "POST /v1/builds/check",
        *("GET /v1/builds/{build}", "DELETE /v1/builds/{build}"),
        *("GET /v1/builds/rollouts/{rollout_id}", "DELETE /v1/builds/rollouts/{rollout_id}"),
        *("GET /api/sessions/{id}/proxy", "PATCH /api/sessions/{id}/proxy", "* /api/sessions/{id}/{rest:.+}"),
    },
}


async def whoami(call: Call[Nothing]) -> web.Response:
    """Tell who asks."""
    return web.Response(text=call.caller.name)


TABLE = (
    route("GET /open", OPEN, whoami, Nothing, {200: ()}),
    route("GET /v1/read", Action.READ_SESSIONS, whoami, Nothing, {200: ()}),
    route("GET /v1/send", Action.CHECK_CONTACTS, whoami, Nothing, {200: ()}),
    route("GET /api/own", Action.CHANGE_SESSION, whoami, Nothing, {200: ()}),
)


@web.middleware
async def believe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the role a test names for the caller's."""
    if role := request.headers.get("X-Role"):
        request[CALLER] = Caller(name=f"a {role}", role=Role(role))
    return await handler(request)


def authorized(each: Route | None) -> Handler:
    """Return what serves a route, or what none takes, to whom its authorizer lets pass."""
    authorizer = Authorizer(each, {})
    handler = refuse_unmatched if each is None else each.handler

    async def serve(request: web.Request) -> web.StreamResponse:
        authorizer.require(request)
        return await handler(request)

    return serve


@pytest.fixture
async def ask(aiohttp_client: AiohttpClient) -> Ask:
    app = web.Application(middlewares=[answering, believe])
    for each in TABLE:
        app.router.add_route(each.method, each.path, authorized(each))
    app.router.register_resource(Unmatched(app.router, authorized(None)))
    client = await aiohttp_client(app)

    async def get(path: str, role: Role | None) -> ClientResponse:
        return await client.get(path, headers={"X-Role": role} if role else {})

    return get


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("path", "needed"), [("/v1/read", Role.VIEWER), ("/v1/send", Role.SENDER)])
async def test_a_caller_reaches_what_its_role_includes(ask: Ask, role: Role, path: str, needed: Role) -> None:
    answer = await ask(path, role)

    is_allowed = list(Role).index(role) >= list(Role).index(needed)
    assert answer.status == (200 if is_allowed else 403)


async def test_a_refusal_names_the_role_needed(ask: Ask) -> None:
    problem = await (await ask("/v1/send", Role.VIEWER)).json()

    assert (problem["status"], problem["code"]) == (403, "forbidden")
    assert "sender" in problem["detail"]


async def test_a_refusal_of_the_gateway_has_openwas_shape(ask: Ask) -> None:
    body = await (await ask("/api/own", Role.SENDER)).json()

    assert (body["statusCode"], body["error"]) == (403, "Forbidden")
    assert "operator" in body["message"]


async def test_the_route_knows_its_caller(ask: Ask) -> None:
    assert await (await ask("/v1/send", Role.ADMIN)).text() == "a admin"


async def test_without_a_caller_only_what_is_open_is_reached(ask: Ask) -> None:
    statuses = [(await ask(path, None)).status for path in ("/v1/read", "/api/own", "/nowhere", "/open?detail")]

    assert statuses == [401, 401, 401, 401]


async def test_an_open_route_has_no_caller_to_ask_for(ask: Ask) -> None:
    answer = await ask("/open", None)

    assert (answer.status, (await answer.json())["detail"]) == (
        401,
        "a valid API key is needed: X-API-Key, or Authorization: Bearer",
    )


async def test_a_path_that_is_none_of_ours_is_not_found_by_any_caller(ask: Ask) -> None:
    assert (await ask("/nowhere", Role.VIEWER)).status == 404


def line(each: Route) -> str:
    return f"{each.method} {each.path}"


async def test_only_signs_of_life_are_open(world: World) -> None:
    table = make_table(backing_of(world), world.gateway)

    assert {each.path for each in table if each.role is OPEN} == OPEN_ROUTES


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_has_what_the_contract_gives_it(world: World, role: Role) -> None:
    table = make_table(backing_of(world), world.gateway)

    assert {line(each) for each in table if each.role is role} == ROLES[role]


async def test_every_route_stands_for_its_own_role(world: World) -> None:
    table = make_table(backing_of(world), world.gateway)

    assert len({each.handler for each in table}) == len(table)
