"""Requests by which an engine would fetch from this host: refused at the gateway, and never handed to the engine."""

import json
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.delivery.events import Json
from tests.api.conftest import PEER
from tests.api.world import World, world_in

CHAT = "628123456789@c.us"
BAD = "http://127.0.0.1:1/secret.png"
#: More than is looked at in one piece.
PADDING = "A" * 300_000


async def refusal(world: World, method: str, path: str, body: Json) -> object:
    """Ask something that must be refused by the gateway itself."""
    reply = await world.call(method, f"/api/sessions/acme/{path}", body)
    assert (reply.status, reply.json["message"]) == (400, "Destination address is not allowed"), reply.raw
    return reply.json["detail"]


def bulk(url: str) -> Json:
    content: Json = {"image": {"url": url}}
    return {"messages": [{"chatId": CHAT, "type": "image", "content": content}]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "messages/send-image", {"chatId": CHAT, "url": BAD}),
        ("POST", "messages/send-image", {"to": "628123456789", "url": BAD}),
        ("POST", "messages/send", {"to": "628123456789", "url": BAD}),
        ("POST", "messages/SEND-video/", {"chatId": CHAT, "url": BAD}),
        ("POST", "messages/send-sticker", {"chatId": CHAT, "base64": BAD}),
        ("POST", "messages/send-new-kind", {"chatId": CHAT, "media": {"url": BAD}}),
        ("POST", "messages/send-bulk", bulk(BAD)),
        ("POST", "status/send-image", {"image": {"url": BAD}}),
        ("PUT", "profile/picture", {"url": BAD}),
        ("PUT", "groups/1@g.us/picture", {"url": BAD}),
        ("POST", "media/convert/voice", {"url": BAD}),
    ],
)
async def test_no_call_leads_an_engine_to_this_host(
    tmp_path: Path, aiohttp_client: AiohttpClient, method: str, path: str, body: dict[str, Json]
) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER, gap_s=100.0) as world:
        await world.create(session_id="acme", wait_for="connected")

        assert await refusal(world, method, path, body) == "url: 127.0.0.1 is not a public address"
        assert await refusal(world, method, path, {"caption": PADDING, **body})
        assert await refusal(world, method, path, {**body, "caption": PADDING})

        # None of them has reached the engine, and none has used up a turn.
        assert json.loads((await world.call("GET", "/api/sessions/acme/vice/sends")).raw) == []
        sent = await world.call("POST", "/api/sessions/acme/messages/send-text", {"chatId": CHAT, "text": BAD})
        assert sent.status == 201


async def test_media_that_may_be_fetched_are_handed_on_whole(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER) as world:
        await world.create(session_id="acme", wait_for="connected")

        for route, more in (("send-image", {}), ("send-video", {"caption": PADDING})):
            body = {"chatId": CHAT, "url": "http://1.1.1.1/a.png", **more}
            reply = await world.call("POST", f"/api/sessions/acme/messages/{route}", body)
            assert reply.status == 201, reply.raw


async def test_a_charset_in_which_nothing_is_found_is_refused(world: World) -> None:
    await world.create(session_id="acme", wait_for="connected")
    headers = {"X-API-Key": world.key, "Content-Type": "application/json; charset=utf-16le"}
    raw = json.dumps({"chatId": CHAT, "url": BAD}).encode("utf-16le")

    path = "/api/sessions/acme/messages/send-video"
    async with world.client.post(path, data=raw, headers=headers) as answer:
        assert answer.status == 415
        assert (await answer.json())["statusCode"] == 415
