import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.browsers.cors import Cors
from tests.api.guarding import checked
from tests.api.world import Client

OURS = "https://app.example.com"
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


async def _need_key(_: web.Request) -> web.Response:
    raise web.HTTPUnauthorized


async def client_of(aiohttp_client: AiohttpClient, *origins: str) -> Client:
    cors = Cors(origins)
    app = web.Application(middlewares=[checked(cors.preflight)])

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        cors.mark(request, response)

    app.on_response_prepare.append(mark)
    app.router.add_route("*", "/", _need_key)
    return await aiohttp_client(app)


async def test_a_chosen_site_may_call_and_is_told_so_without_a_key(aiohttp_client: AiohttpClient) -> None:
    client = await client_of(aiohttp_client, OURS)

    async with client.options("/", headers={"Origin": OURS, **ASKED}) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_chosen_site_may_read_errors_too(aiohttp_client: AiohttpClient) -> None:
    client = await client_of(aiohttp_client, OURS)

    async with client.post("/", headers={"Origin": OURS}) as answer:
        assert answer.status == 401
        assert answer.headers["Access-Control-Allow-Origin"] == OURS
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com:444",
        "http://app.example.com",
        "https://APP.example.com",
        "null",
        "*",
        "",
    ],
)
async def test_no_other_site_is_let_in(aiohttp_client: AiohttpClient, origin: str) -> None:
    client = await client_of(aiohttp_client, OURS)

    for method, headers in (("OPTIONS", ASKED), ("POST", {})):
        async with client.request(method, "/", headers={"Origin": origin, **headers}) as answer:
            assert answer.status == 401
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_unless_set_nobody_is(aiohttp_client: AiohttpClient) -> None:
    client = await client_of(aiohttp_client)

    async with client.options("/", headers={"Origin": OURS, **ASKED}) as answer:
        assert answer.status == 401
        assert not [name for name in answer.headers if name.startswith("Access-Control") or name == "Vary"]
