"""The gateway's table: what is in it, and which line a request finds."""

import ast
import importlib.resources
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import openwa
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient
from yarl import URL

from openwa_manager.api.gateway.app import gateway_routes
from openwa_manager.api.gateway.forwarded import FORWARDED
from openwa_manager.api.gateway.lines import Destination
from openwa_manager.api.gateway.resource import SessionResource
from openwa_manager.api.gateway.routes import SESSION_PREFIX
from openwa_manager.api.routing import Route
from openwa_manager.domain.access.actions import NEEDS, Action
from openwa_manager.domain.access.callers import UNIX_SOCKET
from openwa_manager.domain.access.roles import Role
from tests.api.world import World

Find = Callable[[str, str], Awaitable[str | None]]

REST = "* /api/sessions/{id}/{rest:.+}"


def sdk_calls() -> Iterator[tuple[str, str]]:
    """Yield method and path, with `{}` for what varies, of the calls in OpenWA's own SDK."""
    for module in importlib.resources.files(openwa).joinpath("resources").iterdir():
        if not module.name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="request"), args=[ast.Constant(str() as method), ast.JoinedStr(parts), *_]
                ):
                    yield method, "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def named(each: Route) -> Route:
    """Return the route with a handler that answers with its line and its session."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"Line": f"{each.method} {each.path}", "Session": request.match_info["id"]})

    return replace(each, handler=handler)


@pytest.fixture
async def find(world: World, aiohttp_client: AiohttpClient) -> Find:
    """Give a function that tells which line a request below the session `acme` finds; None if none."""
    below = [named(each) for each in gateway_routes(world.gateway) if each.path.startswith(SESSION_PREFIX)]
    app = web.Application()
    app.router.register_resource(SessionResource(below))
    client = await aiohttp_client(app)

    async def find(method: str, path: str) -> str | None:
        url = client.make_url("/").join(URL(f"/api/sessions/acme{path}", encoded=True))
        async with client.session.request(method, url) as answer:
            assert answer.headers.get("Session", "acme") == "acme"
            return answer.headers.get("Line")

    return find


async def test_what_openwas_sdk_calls_is_in_the_table(find: Find) -> None:
    calls = {
        (method, path.removeprefix("/api/sessions/{}"))
        for method, path in sdk_calls()
        if path.startswith("/api/sessions/{}/")
    }

    assert len(calls) > 100
    unknown = [call for call in sorted(calls) if await find(*call) == REST]
    assert unknown == [("POST", "/messages/{}")]  # the SDK puts in `send-image` and its like


@pytest.mark.parametrize(
    ("method", "tail", "line"),
    [
        ("POST", "messages/send-text", "POST /api/sessions/{id}/messages/send-text"),
        ("POST", "Messages/Send-Text/", "POST /api/sessions/{id}/messages/send-text"),
        ("POST", "m%65ssages/send-text", "POST /api/sessions/{id}/messages/send-text"),
        ("POST", "messages%2Fsend-text", REST),
        ("POST", "messages//send-text", REST),
        ("GET", "messages/send-text", REST),
        ("POST", "START", "POST /api/sessions/{id}/start"),
        ("HEAD", "qr", "GET /api/sessions/{id}/qr"),
        ("GET", "contacts/blocked", "GET /api/sessions/{id}/contacts/blocked"),
        ("GET", "contacts/628123456789@c.us", "GET /api/sessions/{id}/contacts/{contact_id}"),
        ("GET", "contacts/check/a%2Fb", "GET /api/sessions/{id}/contacts/check/{number}"),
        ("GET", "anything/new", REST),
        ("TRACE", "chats", REST),
    ],
)
async def test_a_path_is_read_as_openwa_reads_it(find: Find, method: str, tail: str, line: str) -> None:
    assert await find(method, f"/{tail}") == line


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_session_itself_is_left_to_others(find: Find, path: str) -> None:
    assert await find("GET", path) is None


def test_every_send_needs_no_more_than_a_sender() -> None:
    def is_send(line: str) -> bool:
        method, _, tail = line.partition(" ")
        words = tuple(tail.split("/"))
        return Destination(name="acme", tail=f"/{tail}", words=words, query="", caller=UNIX_SOCKET).is_send(method)

    sends = {action: [line for line in lines if is_send(line)] for action, lines in FORWARDED.items()}

    assert {action: len(lines) for action, lines in sends.items() if lines} == {
        Action.SEND_BY_GATEWAY: 12,
        Action.QUOTE_MESSAGE: 1,
        Action.FORWARD_MESSAGE: 1,
    }
    assert all(NEEDS[action].role is Role.SENDER for action, lines in sends.items() if lines)


def test_every_line_stands_once_and_in_small_letters() -> None:
    lines = [line for lines in FORWARDED.values() for line in lines]

    assert len(set(lines)) == len(lines)
    assert all(line.partition(" ")[2].islower() for line in lines)
