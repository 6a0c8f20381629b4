"""What a key without `chats` may do that could still tell it what people write."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from openwa_manager.api.bodies.uploads import SMALL_BYTES
from openwa_manager.domain.access.roles import Role
from tests.api.gateway.rights.callers import Asker, asker
from tests.api.gateway.test_sessions import error, linked
from tests.api.world import World

SEND = "/api/sessions/acme/messages/"
HOOKS = "/api/sessions/acme/webhooks"
TEXT = {"chatId": "628123456789@c.us", "text": "Hello"}
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
PADDING = "x" * SMALL_BYTES


def quoting(**fields: object) -> bytes:
    return json.dumps({**TEXT, "quotedMessageId": "true_1@c.us_3EB0", **fields}).encode()


@pytest.mark.parametrize(
    ("tail", "body", "content_type"),
    [
        ("send-text", quoting(), JSON),
        ("send-text", quoting().replace(b"quotedM", b"quoted\\u004d"), JSON),
        ("send-text", b"\xef\xbb\xbf" + quoting(), JSON),
        ("send-text", quoting(), FORM),
        ("send-text", quoting(), "text/plain"),
        ("send-text", urlencode({**TEXT, "quotedMessageId": "3EB0"}).encode(), FORM),
        ("send-text", urlencode({**TEXT, "quotedMessageId[]": "3EB0"}).encode(), FORM),
        ("send-text", b'{"x":"&quotedMessageId=3EB0&chatId=1@c.us&text=a&"}', FORM),
        ("send-text", quoting(to="628123456789"), JSON),
        ("send", json.dumps({"to": "628123456789", "text": "Hello", "quotedMessageId": "3EB0"}).encode(), JSON),
        ("send-image", quoting(base64=PADDING), JSON),
        ("send-document", quoting(base64=PADDING), JSON),
        ("send-document", quoting(base64=PADDING), FORM),
        ("send-document", urlencode({**TEXT, "base64": PADDING, "quotedMessageId": "3EB0"}).encode(), FORM),
        ("reply", quoting(), JSON),
        ("forward", json.dumps({"fromChatId": "1@c.us", "toChatId": "2@c.us", "messageId": "3EB0"}).encode(), JSON),
    ],
)
async def test_nobody_who_may_not_see_chats_has_a_message_quoted_or_forwarded(
    peers: World, tail: str, body: bytes, content_type: str
) -> None:
    sender = await asker(peers, Role.SENDER)
    trusted = await asker(peers, Role.SENDER, chats=True)

    refused = await sender.send_raw(SEND + tail, body, content_type)
    let_through = await trusted.send_raw(SEND + tail, body, content_type)

    status, message = error(refused)
    assert (status, "chats: true" in str(message)) == (403, True)
    assert let_through.status != 403


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", JSON),
        (b"{", JSON),
        (quoting(list=[0] * 60_000), JSON),
        (
            urlencode(
                [("chatId", "1@c.us")] + [(f"f{n}", "1") for n in range(300)] + [("quotedMessageId", "1")]
            ).encode(),
            FORM,
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="quotedMessageId"\r\n\r\n1\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
async def test_what_nobody_can_read_may_quote_and_is_refused(peers: World, body: bytes, content_type: str) -> None:
    sender = await asker(peers, Role.SENDER)

    reply = await sender.send_raw(SEND + "send-document", body, content_type)

    assert error(reply)[0] == 400


async def test_a_sender_sends_what_quotes_nothing(peers: World) -> None:
    sender = await asker(peers, Role.SENDER)

    small = await sender("POST", SEND + "send-text", {**TEXT, "text": "quotedMessageId"})
    large = await sender.send_raw(SEND + "send-document", json.dumps({**TEXT, "base64": PADDING}).encode(), JSON)
    form = await sender.send_raw(SEND + "send-text", urlencode(TEXT).encode(), FORM)

    assert (small.status, large.status, form.status) == (201, 201, 201)


@pytest.fixture
async def operator(world: World) -> Asker:
    """Give an operator who may see codes, but no chats; the session `acme` exists."""
    await world.call("POST", "/api/sessions", {"name": "acme"})
    return await asker(world, Role.OPERATOR, qr=True)


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_webhook_whose_events_tell_of_chats_needs_that_right(world: World, *, is_running: bool) -> None:
    if is_running:
        await linked(world)
    else:
        await world.call("POST", "/api/sessions", {"name": "acme"})
    operator = await asker(world, Role.OPERATOR, qr=True)
    url = {"url": "http://192.0.2.1:9/a"}

    replies = {
        str(events): (await operator("POST", HOOKS, url if events is None else {**url, "events": events})).status
        for events in (
            None,
            [],
            ["*"],
            ["message.received"],
            ["session.status", "message.sent"],
            ["status.received"],
            ["group.join"],
            ["presence.update"],
            ["brand.new"],
            "session.status",
        )
    }
    allowed = await operator("POST", HOOKS, {**url, "events": ["session.status", "session.qr", "message.ack"]})

    assert replies == dict.fromkeys(replies, 403)
    assert allowed.status == 201


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_webhook_that_posts_chats_is_not_led_elsewhere_without_that_right(
    world: World, *, is_running: bool
) -> None:
    if is_running:
        await linked(world)
    else:
        await world.call("POST", "/api/sessions", {"name": "acme"})
    operator = await asker(world, Role.OPERATOR, qr=True)
    made = await world.call("POST", HOOKS, {"url": "http://192.0.2.1:9/a", "events": ["message.received"]})
    plain = await operator("POST", HOOKS, {"url": "http://192.0.2.1:9/b", "events": ["session.status"]})
    changes: tuple[Mapping[str, object], ...] = (
        {"url": "http://192.0.2.2:9/mine"},
        {"url": "http://192.0.2.2:9/mine", "events": ["session.status"]},
        {"active": True},
    )

    led_away = [(await operator("PUT", f"{HOOKS}/{made.json['id']}", change)).status for change in changes]
    widened = await operator("PUT", f"{HOOKS}/{plain.json['id']}", {"events": ["message.received"]})
    changed = await operator("PUT", f"{HOOKS}/{plain.json['id']}", {"url": "http://192.0.2.2:9/mine"})

    assert led_away == [403, 403, 403]
    assert widened.status == 403
    assert changed.status == 200
    shown = await world.call("GET", f"{HOOKS}/{made.json['id']}")
    assert shown.json["url"] == "http://192.0.2.1:9/a"


@pytest.mark.parametrize("is_running", [False, True])
async def test_a_configuration_beyond_what_is_known_is_for_an_admin(world: World, *, is_running: bool) -> None:
    if is_running:
        await linked(world)
    else:
        await world.call("POST", "/api/sessions", {"name": "acme"})
    operator = await asker(world, Role.OPERATOR, qr=True, chats=True)
    config = "/api/sessions/acme/config"

    smuggled = [
        (await operator("PATCH", path, body)).status
        for path, body in (
            (config, {"proxyUrl": "http://127.0.0.1:3128"}),
            (f"{config}/", {"autoRejectCalls": True, "PROXY": {"url": "http://127.0.0.1:3128"}}),
            ("/api/sessions/acme/Config", {"proxy": None}),
            ("/api/sessions/acme/proxy", {"proxyUrl": "http://127.0.0.1:3128"}),
        )
    ]
    form = await operator.send_raw(config, b"proxyUrl=http%3A%2F%2F127.0.0.1", FORM)
    known = await operator("PATCH", config, {"autoRejectCalls": True})

    assert smuggled == [403, 403, 403, 403]
    assert form.status == 403  # there is no such call, and nobody knows what it would do
    assert (known.status, known.json["autoRejectCalls"]) == (200, True)


async def test_a_configuration_is_handed_on_as_it_was_understood(peers: World) -> None:
    operator = await asker(peers, Role.OPERATOR)
    headers = {"X-API-Key": operator.key, "Content-Type": JSON}
    twice = b'{"autoRejectCalls": true, "autoRejectCalls": false}'

    async with peers.client.patch("/api/sessions/acme/config", data=twice, headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"autoRejectCalls": False})
