from collections.abc import Iterator
from functools import partial

from pydantic import BaseModel

from openwa_manager.api.app import make_table
from openwa_manager.api.openapi import describe
from openwa_manager.domain.delivery.events import Json
from openwa_manager.store.delivery.endpoints import configure_default
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


async def test_what_openwa_answers_is_described_by_openwa(world: World) -> None:
    document = describe(make_table(backing_of(world), world.gateway), "0.1.0")

    for method, path in (("get", "/api/sessions/{id}/chats"), ("get", "/api/sessions"), ("post", "/api/sessions")):
        assert at(document, "paths", path, method, "externalDocs", "url") == "https://github.com/rmyndharis/OpenWA"
    refused = at(document, "paths", "/api/sessions/{id}/chats", "get", "responses", "401", "content")
    assert refused == {"application/json": {"schema": {"$ref": "#/components/schemas/OpenwaError"}}}


async def test_every_json_answer_is_of_its_declared_shape(world: World) -> None:
    """Walk all routes that can be read without a wait, and validate what really comes."""
    await world.create(session_id="a", wait_for="qr")
    message = await world.call("POST", "/v1/sessions/a/messages", {"to": "+85212345678", "text": "hello"})
    people = {"template": {"text": "hello"}, "recipients": [{"to": "+85212345678"}]}
    batch = await world.call("POST", "/v1/sessions/a/messages/bulk", people)
    for owner in ("sessions/a", "users/1"):
        await world.call("POST", f"/v1/{owner}/suppressions", {"to": "85287654321"})
    default = partial(configure_default, url="http://127.0.0.1:9", secret="s", fallback_secret="", at=1.0)
    await world.database.write(default)
    table = make_table(backing_of(world), world.gateway)
    read = [each for each in table if each.method == "GET" and each.documented_at is None]

    names = {"session_id": "a", "endpoint_id": "default", "message_id": message.json["message_id"]}
    names["batch_id"] = batch.json["batch_id"]
    names |= {"user_id": "1", "to": "85287654321", "number": "85287654321"}
    for each in read:
        reply = await world.call("GET", each.path.format(**names))
        assert reply.status in each.answers, each.path
        models = [kind for kind in each.answers[reply.status] if isinstance(kind, type)]
        for model in models:
            assert issubclass(model, BaseModel)
            model.model_validate_json(reply.raw)
