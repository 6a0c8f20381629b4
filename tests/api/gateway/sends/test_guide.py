import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.bodies.uploads import Pieces
from openwa_manager.api.gateway.errors import GatewayError
from openwa_manager.api.gateway.sends.guide import may_be_guide, queued, translate
from tests.api.gateway.test_sessions import error, linked
from tests.api.world import World

TEXT = {"to": "+85212345678", "text": "Hello"}
IMAGE = {"to": "85212345678@c.us", "url": "http://127.0.0.1:9/x.png", "caption": "Look"}


def meaning(route: str, body: object) -> tuple[str, object] | None:
    said = translate(route, json.dumps(body).encode())
    if said is None:
        return None
    assert isinstance(said.body, bytes)
    return said.route, json.loads(said.body)


@pytest.mark.parametrize("route", ["send-text", "send"])
def test_a_text_of_the_guide_is_a_text_to_a_chat(route: str) -> None:
    assert meaning(route, TEXT) == ("send-text", {"chatId": "85212345678@c.us", "text": "Hello"})


@pytest.mark.parametrize("route", ["send-image", "send"])
def test_a_url_of_the_guide_is_an_image_to_a_chat(route: str) -> None:
    assert meaning(route, IMAGE) == (
        "send-image",
        {"chatId": "85212345678@c.us", "url": "http://127.0.0.1:9/x.png", "caption": "Look"},
    )


def test_at_the_guides_own_address_openwas_words_are_understood_too() -> None:
    assert meaning("send", {"chatId": "1@g.us", "text": "x"}) == ("send-text", {"chatId": "1@g.us", "text": "x"})


@pytest.mark.parametrize("body", [{"chatId": "1@c.us", "text": 'say "to"'}, {"chatId": "1@c.us", "to": "2"}, [], 5])
def test_what_is_not_the_guides_goes_on_as_it_is(body: object) -> None:
    assert meaning("send-text", body) is None


@pytest.mark.parametrize("raw", [b"", b"to=", b"[1]", b'"to"'])
def test_what_is_no_object_goes_on_as_it_is_where_openwa_can_refuse_it(raw: bytes) -> None:
    assert translate("send-text", raw) is None


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_message_to_many_is_handed_on_as_it_is(mark: bytes) -> None:
    body = {"chatId": "1@g.us", "text": "x", "mentions": [f"{number}@c.us" for number in range(3_000)]}

    assert translate("send-text", mark + json.dumps(body).encode()) is None


@pytest.mark.parametrize("route", ["send", "send-text", "send-image"])
@pytest.mark.parametrize("value", [b"", b"[" * 20_000 + b"]" * 20_000], ids=["broken", "deep"])
def test_an_object_that_cannot_be_read_is_refused(route: str, value: bytes) -> None:
    with pytest.raises(GatewayError) as refusal:
        translate(route, b'\xef\xbb\xbf {"to": "85212345678", "text": ' + value + b"}")

    assert refusal.value.status == 400


def test_a_national_number_is_refused_and_told_how_to_write_it() -> None:
    with pytest.raises(GatewayError, match="begins with 0") as refused:
        meaning("send-text", {"to": "0912 345 678", "text": "x"})

    assert refused.value.status == 400


@pytest.mark.parametrize("body", [{"to": "alice", "text": "x"}, {"to": 5, "text": "x"}, {"to": "", "text": "x"}])
@pytest.mark.parametrize("route", ["send-text", "send"])
def test_nobody_is_refused(route: str, body: object) -> None:
    with pytest.raises(GatewayError, match="to must be") as raised:
        meaning(route, body)

    assert raised.value.status == 400


@pytest.mark.parametrize("raw", [b"", b"[]", b"{bad"])
def test_nothing_at_the_guides_own_address_is_refused(raw: bytes) -> None:
    with pytest.raises(GatewayError, match="must be a JSON object"):
        translate("send", raw)


@given(text=st.text())
def test_the_text_arrives_as_it_was_written(text: str) -> None:
    assert meaning("send", {"to": "85212345678", "text": text}) == (
        "send-text",
        {"chatId": "85212345678@c.us", "text": text},
    )


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("route", ["send", "send-text"])
@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b'\xef\xbb\xbf{"to": "85212345678", "text": "Hi \xc3\xa9"}', "application/json"),
        (b"to=85212345678&text=Hi+%C3%A9", FORM),
        (b'{"to": "85212345678", "text": "Hi \\u00e9"}', FORM),  # what `curl -d` says of every body
    ],
    ids=["byte order mark", "form", "JSON called a form"],
)
def test_how_a_message_is_written_does_not_matter(route: str, raw: bytes, content_type: str) -> None:
    said = translate(route, raw, content_type)

    assert said is not None
    assert isinstance(said.body, bytes)
    assert json.loads(said.body.decode("utf-8-sig")) == {"chatId": "85212345678@c.us", "text": "Hi é"}


def test_a_form_in_openwas_words_goes_on_as_it_is() -> None:
    assert translate("send-text", b"chatId=1@c.us&text=x", FORM) is None


async def test_a_large_image_is_told_apart_by_its_members_alone() -> None:
    image = "A" * 10_000_000
    raw = json.dumps({"base64": image, "caption": 'a "to" \\', "to": "85212345678"}).encode()

    said = translate("send", raw)

    assert said is not None
    assert isinstance(said.body, Pieces)
    sent = b"".join([piece async for piece in said.body])
    assert (said.route, len(sent)) == ("send-image", said.body.byte_count)
    assert json.loads(sent) == {"base64": image, "caption": 'a "to" \\', "chatId": "85212345678@c.us"}


@pytest.mark.parametrize("sizes", [[20], [70_000], [20, 70_000]])
@pytest.mark.parametrize("route", ["send", "send-image"])
@pytest.mark.parametrize("is_chunked", [True, False])
async def test_an_image_is_sent_however_large_it_is_and_however_it_travels(
    world: World, route: str, sizes: list[int], is_chunked: bool
) -> None:
    await linked(world)

    for size in sizes:
        body = json.dumps({"to": "85212345678", "base64": "A" * size, "mimetype": "image/png"}).encode()

        async def parts(body: bytes = body) -> AsyncIterator[bytes]:
            yield body[:15]
            yield body[15:]

        headers = {"X-API-Key": world.key, "Content-Type": "application/json"}
        path = f"/api/sessions/acme/messages/{route}"
        async with world.client.post(path, data=parts() if is_chunked else body, headers=headers) as answer:
            assert (answer.status, (await answer.json())["status"]) == (201, "queued")


async def test_a_form_of_the_guide_is_sent(world: World) -> None:
    await linked(world)

    path = "/api/sessions/acme/messages/send"
    async with world.client.post(
        path, data={"to": "85212345678", "text": "Hi"}, headers={"X-API-Key": world.key}
    ) as answer:
        assert answer.status == 201


def test_the_answer_is_marked_as_queued() -> None:
    assert json.loads(queued(b'{"messageId":"3EB0","timestamp":1}')) == {
        "messageId": "3EB0",
        "timestamp": 1,
        "status": "queued",
    }
    assert queued(b"<html>") == b"<html>"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("messages", "send"), True),
        (("messages", "send-image"), True),
        (("messages", "send-video"), False),
        (("messages",), False),
        (("webhooks", "send"), False),
    ],
)
def test_the_guide_is_spoken_at_three_addresses(words: tuple[str, ...], expected: bool) -> None:
    assert may_be_guide(words) is expected


@pytest.mark.parametrize("route", ["send", "send-text"])
async def test_a_message_of_the_guide_is_sent(world: World, route: str) -> None:
    await linked(world)

    reply = await world.call("POST", f"/api/sessions/acme/messages/{route}", TEXT)

    assert reply.status == 201
    assert reply.json.pop("status") == "queued"
    assert set(reply.json) == {"messageId", "timestamp", "status"}


async def test_what_openwa_refuses_of_the_guide_is_refused_in_its_words(world: World) -> None:
    await linked(world)

    foo = await world.call("POST", "/api/sessions/acme/messages/send", {**TEXT, "foo": 1})
    nobody = await world.call("POST", "/api/sessions/acme/messages/send", {**TEXT, "to": "alice"})

    assert error(foo) == (400, ["property foo should not exist"])
    assert error(nobody)[0] == 400
