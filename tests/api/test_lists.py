"""Answers that list something end at so many bytes, and are sent one item after the other."""

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

import pytest
from aiohttp import ClientResponse, web
from pydantic import BaseModel, RootModel
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.app import make_table
from openwa_manager.api.errors import SlowReaderError
from openwa_manager.api.lists.pages import PAGE_MAX_BYTES, Listing, answer_list, write_within
from openwa_manager.api.routing import Route
from openwa_manager.domain.delivery.events import Json
from tests.api.world import World, backing_of
from tests.source import PACKAGE, Function, room_of, tree_of

#: Routes whose answer may hold many of something, and what bounds it: `answer_list`, or why none is needed.
LISTED = "answer_list"
LISTS: Mapping[str, str] = {
    "GET /v1/sessions": LISTED,
    "POST /v1/sessions/stop": LISTED,
    "GET /v1/events": LISTED,
    "GET /v1/sessions/{session_id}/events": LISTED,
    "GET /v1/endpoints": LISTED,
    "GET /v1/keys": LISTED,
    "GET /v1/deliveries": LISTED,
    "GET /v1/sessions/{session_id}/why": LISTED,
    "GET /v1/sessions/{session_id}/messages": LISTED,
    "GET /v1/users/{user_id}/contacts/{number}": LISTED,
    **dict.fromkeys(
        (
            *("GET /v1/messages/{message_id}", "DELETE /v1/messages/{message_id}"),
            *("POST /v1/messages/{message_id}/resend", "POST /v1/messages/{message_id}/settle"),
            "POST /v1/sessions/{session_id}/messages",
        ),
        "one message; of attempts that were not taken in a row one is kept",
    ),
    "GET /v1/sessions/{session_id}/batches": "100 batches at most",
    "POST /v1/sessions/{session_id}/messages/bulk": "a line for each message that was not taken, 10,000 at most",
    "POST /v1/sessions/{session_id}/contacts/check": "100 numbers at most",
    "GET /v1/sessions/{session_id}/suppressions": "1,000 at most, or CSV sent in parts",
    "GET /v1/users/{user_id}/suppressions": "1,000 at most, or CSV sent in parts",
    "POST /v1/sessions/{session_id}/suppressions": "the first lines that were not taken",
    "POST /v1/users/{user_id}/suppressions": "the first lines that were not taken",
    "GET /v1/audit": LISTED,
    "GET /v1/audit/verify": "the first 100 faults",
    "GET /v1/builds": "100 builds at most, and the newest roll-out",
    "GET /v1/builds/{build}": "one check of each kind, and the first 100 sessions that pin it",
    "POST /v1/builds": "one build",
    "POST /v1/builds/check": "one check of each kind",
    **dict.fromkeys(
        (
            *("POST /v1/builds/rollouts", "GET /v1/builds/rollouts/{rollout_id}"),
            "DELETE /v1/builds/rollouts/{rollout_id}",
        ),
        "an id and three words for each session",
    ),
    "GET /v1/doctor": "2,000 findings at most",
    "GET /v1/registry": "an id and a number for each session",
    "GET /v1/sessions/{session_id}/health": "one check of each kind",
}
#: The same for the routes that answer text, or JSON as OpenWA has it; what is forwarded is handed on as it comes.
TEXTS: Mapping[str, str] = {
    "GET /api/sessions": LISTED,
    "GET /api/webhooks": LISTED,
    "GET /v1/sessions/{session_id}/logs": "sent in blocks of 64 KiB, the tail ends at 8 MiB",
    "GET /api/sessions/{id}/qr": "an image, 1 MiB at most",
    "GET /api/sessions/{id}": "one session",
    "GET /api/sessions/{id}/health": "one session",
    "GET /api/sessions/stats/overview": "one number of each kind",
    "GET /api/health": "constants",
    "GET /api/health/live": "constants",
    "GET /api/health/ready": "constants",
    "GET /metrics": "some numbers for each session",
    **dict.fromkeys(("GET /docs", "GET /docs/{page}", "GET /docs/{folder}/{page}"), "one page of the package"),
    "GET /docs/search": "the first 20 places",
    "GET /docs/index.json": "the text of the pages of the package",
    "GET /docs/assets/{name}": "one file of the package",
    "GET /pair/{token}": "one page of ours",
    "GET /pair/{token}/events": "one code at a time, two streams for each link",
}


def line_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def models_of(route: Route) -> list[type[BaseModel]]:
    answers = (each for status, answers in route.answers.items() if status < 300 for each in answers)
    return [each for each in answers if isinstance(each, type) and issubclass(each, BaseModel)]


def holds_many(annotation: object, depth: int = 0) -> bool:
    """Tell whether a value of this type holds any number of records, or of what is in a table of names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        is_record = depth > 0
        return is_record or any(holds_many(each.annotation) for each in annotation.model_fields.values())
    return any(holds_many(each, depth + 1) for each in get_args(annotation) if each is not type(None))


def is_list(model: type[BaseModel]) -> bool:
    if issubclass(model, RootModel):
        return True
    lists = [each.annotation for each in model.model_fields.values() if "Sequence" in str(each.annotation)]
    return any(holds_many(each) for each in lists)


@pytest.fixture
def table(world: World) -> tuple[Route, ...]:
    return make_table(backing_of(world), world.gateway)


async def test_every_list_among_the_routes_is_bounded(table: tuple[Route, ...]) -> None:
    lists = {line_of(each) for each in table if any(is_list(model) for model in models_of(each))}

    assert lists == LISTS.keys()


async def test_every_answer_without_a_model_says_what_bounds_it(table: tuple[Route, ...]) -> None:
    texts = {
        line_of(each)
        for each in table
        if each.method == "GET" and each.answers and not models_of(each) and each.path != "/openapi.json"
    }

    assert texts == TEXTS.keys()


def listing_functions() -> set[str]:
    """Return the functions that answer by `answer_list`, themselves or by another one of their module."""
    found: set[str] = set()
    for path in (each for each in PACKAGE if room_of(each) == "api"):
        functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]
        reached = {"answer_list"}
        for _ in functions:
            reached |= {each.name for each in functions if not reached.isdisjoint(_called(each))}
        found |= {f"{path.stem}.{name}" for name in reached - {"answer_list"}}
    return found


def _called(function: ast.AST) -> set[str]:
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}


async def test_whoever_lists_does_so_item_by_item(table: tuple[Route, ...]) -> None:
    listing = listing_functions()
    lists = [each for each in table if (LISTS.get(line_of(each)) or TEXTS.get(line_of(each))) == LISTED]

    names = {name.partition(".")[2] for name in listing}
    assert {each.name for each in lists if not any(each.name.endswith(f"_{name}") for name in names)} == set()
    assert len(lists) == 13


@dataclass(slots=True, kw_only=True)
class Source:
    """Items of this size; counts how many were asked for."""

    size_bytes: int
    count: int
    given: list[int] = field(default_factory=list)

    async def items(self) -> AsyncIterator[int]:
        for number in range(self.count):
            self.given.append(number)
            yield number

    def encode(self, number: int) -> bytes:
        text = json.dumps({"number": number})[:-1].encode()
        return text + b', "media": "' + b"x" * (self.size_bytes - len(text) - 14) + b'"}'


def ending(last: int | None, has_more: bool) -> Mapping[str, Json]:
    return {"last": last, "has_more": has_more}


async def answered(
    client_of: AiohttpClient, source: Source, listing: Listing[int], method: str = "GET"
) -> ClientResponse:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await answer_list(request, source.items(), listing)

    app = web.Application()
    app.router.add_route(method, "/", handle, expect_handler=None)
    client = await client_of(app)
    answer = await client.request(method, "/")
    await answer.read()
    return answer


PAGE: Listing[int] = Listing(name="items", encode=Source(size_bytes=0, count=0).encode, ending=ending, head={"a": "ü"})


@pytest.mark.parametrize(
    ("size_bytes", "count", "limit", "sent"),
    [
        (100, 0, 5, 0),
        (100, 3, 5, 3),
        (100, 9, 5, 5),
        (3 << 20, 9, 5, 2),
        (9 << 20, 2, 5, 1),
        (1 << 20, 9, 20, 8),
        (100_000, 50, 40, 40),
    ],
)
async def test_a_page_ends_at_its_limit_or_where_it_is_too_large(
    aiohttp_client: AiohttpClient, size_bytes: int, count: int, limit: int, sent: int
) -> None:
    source = Source(size_bytes=size_bytes, count=count)

    answer = await answered(aiohttp_client, source, replace(PAGE, encode=source.encode, limit=limit))

    page = json.loads(await answer.read())
    assert [*page] == ["a", "items", "last", "has_more"]
    assert [item["number"] for item in page["items"]] == [*range(sent)]
    assert (page["last"], page["has_more"]) == (sent - 1 if sent else None, count > sent)
    assert len(source.given) <= sent + 1


async def test_a_small_list_is_answered_in_one_piece_and_a_list_alone_has_no_name(
    aiohttp_client: AiohttpClient,
) -> None:
    source = Source(size_bytes=50, count=3)

    answer = await answered(aiohttp_client, source, replace(PAGE, name=None, encode=source.encode, media_type="a/b"))

    assert [item["number"] for item in json.loads(await answer.read())] == [0, 1, 2]
    assert "Content-Length" in answer.headers
    assert answer.headers["Content-Type"] == "a/b"


async def test_a_list_that_nothing_pages_is_whole(aiohttp_client: AiohttpClient) -> None:
    source = Source(size_bytes=1 << 20, count=10)

    answer = await answered(aiohttp_client, source, replace(PAGE, encode=source.encode, max_bytes=None))

    assert len(json.loads(await answer.read())["items"]) == 10


async def test_head_of_a_list_asks_for_no_more_than_is_sent_at_once(aiohttp_client: AiohttpClient) -> None:
    source = Source(size_bytes=100_000, count=50)

    answer = await answered(aiohttp_client, source, replace(PAGE, encode=source.encode), "HEAD")

    assert (answer.status, await answer.read()) == (200, b"")
    assert len(source.given) <= 3


async def test_who_does_not_read_is_not_served_any_longer(aiohttp_client: AiohttpClient) -> None:
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await write_within(response, b"x" * PAGE_MAX_BYTES, 0.05)
        except SlowReaderError as error:
            ended.set_result(error)
            raise

    app = web.Application()
    app.router.add_get("/", handle, expect_handler=None)
    client = await aiohttp_client(app)

    async with client.get("/"):
        async with asyncio.timeout(30):
            error = await ended

    assert "was not read" in str(error)


def test_no_answer_of_ours_is_made_of_a_whole_list() -> None:
    """`json_answer` is for one record: a model of a list is never built."""
    lists = _names_of_list_models()
    built = {
        (path.stem, name)
        for path in PACKAGE
        if room_of(path) == "api"
        for name in _built(path.stem, ast.walk(tree_of(path)))
        if name in lists
    }

    assert built == set()


def _names_of_list_models() -> set[str]:
    return {"SessionPage", "SessionsOut", "EventPage", "EndpointsOut", "DeliveryPage", "TimelineOut"}


def _built(_: str, nodes: Iterable[ast.AST]) -> set[str]:
    return {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
