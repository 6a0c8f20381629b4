import json

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from openwa_manager.api import requests
from openwa_manager.api.app import make_table
from openwa_manager.api.gateway.sessions import CreateIn
from openwa_manager.api.messaging.requests import BulkIn, MessageIn, RecipientIn
from openwa_manager.api.requests import Body, EndpointIn, SessionChange, SessionIn, object_text
from openwa_manager.api.routing import BODY_VALUES_MAX, refusal_of
from tests.api.world import World, backing_of

BODIES = [each for each in vars(requests).values() if isinstance(each, type) and issubclass(each, Body)] + [CreateIn]


TABLES = [
    (body, name, field)
    for body in BODIES
    for name, field in body.model_fields.items()
    if "dict" in str(body.__annotations__.get(name, "")) or "dict" in str(field.annotation)
]


@pytest.mark.parametrize(("body", "name", "field"), TABLES, ids=[f"{body.__name__}.{name}" for body, name, _ in TABLES])
def test_every_table_takes_an_empty_list(body: type[Body], name: str, field: FieldInfo) -> None:
    required = {each: "1234567" for each, other in body.model_fields.items() if other.is_required() and each != name}

    made = body.model_validate_json(json.dumps({**required, field.alias or name: []}))

    assert getattr(made, name) == {}


def test_lists_stay_lists() -> None:
    made = EndpointIn.model_validate_json(b'{"url": "http://a", "events": ["session.*"]}')

    assert made.events == ("session.*",)


@pytest.mark.parametrize("raw", [b"", b"[]", b" [ ]\n", b"\xef\xbb\xbf[]", b"\xef\xbb\xbf{}", b"{}"])
def test_an_empty_body_is_an_empty_object(raw: bytes) -> None:
    assert object_text(raw) == b"{}"


def test_an_empty_list_is_an_empty_table() -> None:
    change = SessionChange.model_validate_json(b'{"labels": [], "env": []}')
    made = SessionIn.model_validate_json(b'{"session_id": "a", "labels": [], "env": []}')

    assert (change.labels, change.env, made.labels, made.env) == ({}, {}, {}, {})
    assert change.model_fields_set == {"labels", "env"}


@pytest.mark.parametrize("raw", [b"[1]", b'{"labels": ["a"]}', b'{"user_id": []}', b'{"labels": [[]]}'])
def test_any_other_list_is_none(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        SessionIn.model_validate_json(raw)


async def test_a_body_with_more_values_than_any_has_is_refused(world: World) -> None:
    headers = {"X-API-Key": world.key, "Content-Type": "application/json"}
    body = b'{"session_id": "a", "labels": {"x": [' + b"0," * BODY_VALUES_MAX + b"0]}}"
    for path in ("/v1/sessions", "/api/sessions"):
        async with world.client.post(path, data=body, headers=headers) as answer:
            assert answer.status == 400
            assert b"more than 5000 values" in await answer.read()


async def test_a_byte_order_mark_before_a_body_is_passed_over(world: World) -> None:
    headers = {"X-API-Key": world.key, "Content-Type": "application/json"}
    body = b'\xef\xbb\xbf{"session_id": "a", "desired": "stopped"}'
    async with world.client.post("/v1/sessions", data=body, headers=headers) as answer:
        assert answer.status == 201


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (MessageIn, {}, "to: is missing"),
        (MessageIn, {"to": "1", "text": 5}, "text: must be a string"),
        (MessageIn, {"to": "1", "text": "a", "x": 1}, "x: is not known here"),
        (
            MessageIn,
            {"to": "1"},
            "body: exactly one of text, image_url, video_url",
        ),
        (MessageIn, {"to": "1", "text": "a\0"}, "text: must not have a character zero"),
        (
            MessageIn,
            {"to": "1", "text": "a", "reference": ""},
            "reference: must have 1 to 128 characters, no control characters",
        ),
        (
            MessageIn,
            {"to": "1", "image_url": "ftp://a"},
            "image_url: must begin with http:// or https:// and have no spaces",
        ),
        (
            MessageIn,
            {"to": "1", "text": "a", "send_after": "soon"},
            "send_after: must be a time, as in 2026-11-22T07:00:00Z",
        ),
        (
            MessageIn,
            {"to": "1", "text": "a", "send_after": "2026-11-22T07:00:00"},
            "send_after: must have a time zone, as in 2026-11-22T07:00:00Z",
        ),
        (MessageIn, {"to": "1", "text": "a", "priority": "high"}, "priority: must be 'normal' or 'low'"),
        (RecipientIn, {"to": "1", "variables": {"n": [1]}}, "variables.n: must be a string"),
        (
            BulkIn,
            {"template": {"text": "a"}, "recipients": [], "window": {"from": "1", "to": "2", "days": []}},
            "window.days: must have at least 1",
        ),
        (SessionIn, {"session_id": "A b"}, "session_id: must have 1 to 63 characters: a to z, 0 to 9, _ and -"),
        (SessionIn, {"labels": {"!": "x"}}, "labels.!.[key]: must fit the pattern ^"),
    ],
)
def test_a_refusal_says_in_plain_words_what_is_wrong(model: type[Body], given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps(given))

    assert str(refusal_of(refused.value)).startswith(words)


async def test_no_call_takes_what_it_does_not_know(world: World) -> None:
    models = {each.arguments for each in make_table(backing_of(world), world.gateway)}

    _, document = models_json_schema([(each, "validation") for each in models])

    objects = {name: schema for name, schema in document["$defs"].items() if schema["type"] == "object"}
    assert [name for name, schema in objects.items() if schema.get("additionalProperties") is not False] == []
