import asyncio
import itertools
import threading
from collections.abc import Iterator
from functools import partial

import pytest
from pydantic import BaseModel

from openwa_manager.api.app import make_table
from openwa_manager.api.openapi import DESCRIPTION, describe
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.delivery.events import Json
from openwa_manager.store.delivery.endpoints import DefaultEndpoint, configure_default
from tests.api.world import World, backing_of


def references(value: Json) -> Iterator[str]:
    """Yield every `$ref` inside a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


def at(document: Json, *path: str) -> Json:
    for step in path:
        assert isinstance(document, dict)
        document = document[step]
    return document


async def test_every_route_is_described_and_nothing_else(world: World) -> None:
    document = (await world.call("GET", "/openapi.json")).json

    paths = at(document, "paths")
    assert isinstance(paths, dict)
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    table = make_table(backing_of(world), world.gateway)
    assert described == {(each.method, each.path) for each in table if each.method != "*"}


async def test_every_reference_leads_somewhere(world: World) -> None:
    document = (await world.call("GET", "/openapi.json")).json

    for reference in references(document):
        at(document, *reference.removeprefix("#/").split("/"))


async def test_operations_have_a_summary_and_a_name_of_their_own(world: World) -> None:
    table = make_table(backing_of(world), world.gateway)

    assert len({each.name for each in table}) == len(table)
    assert all(each.summary.endswith(".") for each in table)


async def test_parameters_bodies_and_answers_are_named(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    qr = at(document, "paths", "/v1/sessions/{session_id}/qr", "get")
    parameters = at(qr, "parameters")
    assert isinstance(parameters, list)
    assert [at(parameter, "name") for parameter in parameters] == ["session_id", "wait", "format"]
    assert set(at(qr, "responses", "200", "content")) == {"application/json", "image/png"}  # type: ignore[arg-type]
    assert at(qr, "responses", "204") == {"description": "No Content"}
    create = at(document, "paths", "/v1/sessions", "post")
    assert (
        at(create, "requestBody", "content", "application/json", "schema", "$ref") == "#/components/schemas/SessionIn"
    )
    assert {"201", "200", "400", "401", "409", "415", "422"} <= set(at(create, "responses"))  # type: ignore[arg-type]
    assert at(document, "paths", "/livez", "get", "security") == []


async def test_the_role_a_call_needs_is_named(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    for method, path, role in (
        ("get", "/v1/sessions", "viewer"),
        ("get", "/v1/sessions/{session_id}/logs", "operator"),
        ("post", "/v1/endpoints", "admin"),
        ("post", "/api/sessions/{id}/messages/send-text", "sender"),
    ):
        assert at(document, "paths", path, method, "security") == [{"key": [role]}, {"bearer": [role]}]
    assert at(document, "paths", "/api/health", "get", "security") == []


async def test_the_rights_a_call_needs_are_told_in_words(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    for method, path, needed in (
        ("get", "/livez", "Needs no key."),
        ("get", "/v1/sessions", "Needs a key of the role `viewer` or above."),
        ("get", "/v1/sessions/{session_id}/qr", "Needs a key of the role `viewer` or above, with `qr`."),
        ("get", "/api/sessions/{id}/chats", "Needs a key of the role `operator` or above, with `chats`."),
    ):
        assert str(at(document, "paths", path, method, "description")).endswith(needed)


async def test_every_call_stands_in_a_chapter_that_is_described(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    chapters = at(document, "tags")
    assert isinstance(chapters, list)
    described = {at(chapter, "name") for chapter in chapters if at(chapter, "description")}
    paths = at(document, "paths")
    assert isinstance(paths, dict)
    used = [at(each, "tags") for methods in paths.values() for each in at(methods).values()]  # type: ignore[union-attr]
    assert all(isinstance(tags, list) and len(tags) == 1 and tags[0] in described for tags in used)


async def test_every_call_says_how_it_may_fail(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    live = at(document, "paths", "/livez", "get", "responses")
    text = at(document, "paths", "/v1/sessions/{session_id}/messages", "post", "responses")
    assert {"400", "417", "421", "429", "431"} <= set(live)  # type: ignore[arg-type]
    assert {"403", "404", "408", "413", "415", "422", "507"} <= set(text)  # type: ignore[arg-type]
    assert at(text, "401", "description") == "Unauthorized: `unauthenticated`"
    assert at(text, "429", "headers", "Retry-After", "schema") == {"type": "integer"}


async def test_a_file_that_a_call_takes_beside_json_is_told(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    taken = at(document, "paths", "/v1/users/{user_id}/suppressions", "post", "requestBody", "content")
    assert set(taken) == {"application/json", "text/csv"}  # type: ignore[arg-type]
    assert at(document, "paths", "/api/sessions/{id}/groups", "post", "requestBody", "content") == {"*/*": {}}


async def test_the_description_is_written_once_however_many_ask(world: World) -> None:
    description = world.client.server.app[DESCRIPTION]  # type: ignore[attr-defined]

    async with asyncio.TaskGroup() as asking:
        replies = [asking.create_task(world.call("GET", "/openapi.json")) for _ in range(5)]

    assert len({each.result().raw for each in replies}) == 1
    first = description._body
    await description.prepare()
    assert description._body is first


async def test_who_hangs_up_does_not_have_the_description_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    description = world.client.server.app[DESCRIPTION]  # type: ignore[attr-defined]
    begun, go_on, count = threading.Event(), threading.Event(), itertools.count(1)

    def describe_slowly() -> Json:
        number = next(count)
        begun.set()
        go_on.wait(5)
        return {"number": number}

    monkeypatch.setattr(description, "document", describe_slowly)
    async with asyncio.TaskGroup() as asking:
        first = asking.create_task(description.prepare())
        assert await asyncio.to_thread(begun.wait, 5)
        first.cancel()
        await asyncio.wait([first], timeout=5)
        asking.create_task(description.prepare())
        await asyncio.sleep(0)
        go_on.set()

    assert description._body == b'{"number": 1}'
    assert next(count) == 2


async def test_what_openwa_answers_is_described_by_openwa(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    for method, path in (("get", "/api/sessions/{id}/chats"), ("get", "/api/sessions"), ("post", "/api/sessions")):
        assert at(document, "paths", path, method, "externalDocs", "url") == "https://github.com/rmyndharis/OpenWA"
    refused = at(document, "paths", "/api/sessions/{id}/chats", "get", "responses", "401", "content")
    assert refused == {"application/json": {"schema": {"$ref": "#/components/schemas/OpenwaError"}}}
    unread = at(document, "paths", "/api/sessions/{id}/chats", "get", "responses", "431", "content")
    assert unread == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert "409" in at(document, "paths", "/api/sessions", "post", "responses")  # type: ignore[operator]


async def test_every_json_answer_is_of_its_declared_shape(world: World) -> None:
    """Walk all routes that can be read without a wait, and validate what really comes."""
    await world.create(session_id="a", wait_for="qr")
    message = await world.call("POST", "/v1/sessions/a/messages", {"to": "+85212345678", "text": "hello"})
    people = {"template": {"text": "hello"}, "recipients": [{"to": "+85212345678"}]}
    batch = await world.call("POST", "/v1/sessions/a/messages/bulk", people)
    for owner in ("sessions/a", "users/1"):
        await world.call("POST", f"/v1/{owner}/suppressions", {"to": "85287654321"})
    settings = DefaultEndpoint(url="http://127.0.0.1:9", secret="s")
    default = partial(configure_default, settings=settings, fallback_secret="", at=1.0)
    await world.database.write(default)
    table = make_table(backing_of(world), world.gateway)
    read = [each for each in table if each.method == "GET" and each.documented_at is None]

    names = {"session_id": "a", "endpoint_id": "default", "message_id": message.json["message_id"]}
    names |= {"batch_id": batch.json["batch_id"], "token": "none"}
    names |= {"user_id": "1", "to": "85287654321", "number": "85287654321"}
    names |= {"build": HOME_BUILD, "page": "install", "folder": "api", "name": "none"}
    names["rollout_id"] = (await world.builds.rollouts.start(HOME_BUILD, None, 1)).rollout_id
    names["key_id"] = (await world.key_of(Role.VIEWER)).split("_")[1]
    for each in read:
        reply = await world.call("GET", each.path.format(**names))
        assert reply.status in each.answers, each.path
        models = [kind for kind in each.answers[reply.status] if isinstance(kind, type)]
        for model in models:
            assert issubclass(model, BaseModel)
            model.model_validate_json(reply.raw)
