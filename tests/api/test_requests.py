import pytest
from pydantic import ValidationError

from openwa_manager.api import requests
from openwa_manager.api.gateway.sessions import CreateIn
from openwa_manager.api.requests import Body, SessionChange, SessionIn
from tests.api.world import World

BODIES = [each for each in vars(requests).values() if isinstance(each, type) and issubclass(each, Body)] + [CreateIn]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_an_empty_list_is_an_empty_object(body: type[Body]) -> None:
    def faults(raw: bytes) -> list[tuple[object, ...]]:
        try:
            body.model_validate_json(raw)
        except ValidationError as error:
            return [(each["type"], each["loc"]) for each in error.errors()]
        return []

    assert faults(b"[]") == faults(b"{}")


def test_an_empty_list_is_an_empty_table() -> None:
    change = SessionChange.model_validate_json(b'{"labels": [], "env": []}')
    made = SessionIn.model_validate_json(b'{"session_id": "a", "labels": [], "env": []}')

    assert (change.labels, change.env, made.labels, made.env) == ({}, {}, {}, {})
    assert change.model_fields_set == {"labels", "env"}


@pytest.mark.parametrize("raw", [b"[1]", b'{"labels": ["a"]}', b'{"user_id": []}', b'{"labels": [[]]}'])
def test_any_other_list_is_none(raw: bytes) -> None:
    with pytest.raises(ValidationError):
        SessionIn.model_validate_json(raw)


async def test_a_byte_order_mark_before_a_body_is_passed_over(world: World) -> None:
    headers = {"X-API-Key": world.key, "Content-Type": "application/json"}
    body = b'\xef\xbb\xbf{"session_id": "a", "desired": "stopped"}'
    async with world.client.post("/v1/sessions", data=body, headers=headers) as answer:
        assert answer.status == 201
