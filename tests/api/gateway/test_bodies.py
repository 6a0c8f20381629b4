"""How a body travels does not matter, as far as OpenWA takes it."""

import json

import pytest

from tests.api.gateway.test_sessions import linked
from tests.api.world import World

SEND = "/api/sessions/acme/messages/send-text"
MESSAGE = {"chatId": "628123456789@c.us", "text": "hé"}


async def sent(world: World, body: bytes, content_type: str) -> int:
    headers = {"X-API-Key": world.key, "Content-Type": content_type}
    async with world.client.post(SEND, data=body, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("charset", ["utf8", "UTF8", "utf-8", '"UTF-8"'])
async def test_how_the_encodings_name_is_spelt_does_not_matter(world: World, charset: str) -> None:
    await linked(world)
    body = json.dumps(MESSAGE, ensure_ascii=False).encode()

    assert await sent(world, body, f"application/json; charset={charset}") == 201


async def test_forms_and_byte_order_marks_reach_openwa(world: World) -> None:
    await linked(world)
    form = b"chatId=628123456789%40c.us&text=hi&linkPreview=false"

    as_form = await sent(world, form, "application/x-www-form-urlencoded")
    as_form_too = await sent(world, form, "application/x-www-form-urlencoded; charset=utf8")
    with_mark = await sent(world, b"\xef\xbb\xbf" + json.dumps(MESSAGE).encode(), "application/json")

    assert (as_form, as_form_too, with_mark) == (201, 201, 201)


async def test_an_encoding_openwa_cannot_read_is_refused_by_it(world: World) -> None:
    await linked(world)

    assert await sent(world, json.dumps(MESSAGE).encode(), "application/json; charset=iso-8859-1") == 415
