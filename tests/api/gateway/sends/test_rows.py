"""Each send of the gateway is a message of ours, whatever becomes of it."""

import asyncio
import base64
import json
from functools import partial
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from openwa_manager.domain.messaging.messages import (
    Attempt,
    AttemptOutcome,
    Kind,
    Message,
    MessageStatus,
    SendRoute,
    user_key_of,
)
from openwa_manager.domain.session.session import SessionId, Status
from openwa_manager.store.messaging import messages, quotas
from openwa_manager.store.messaging.messages import MessageFilter
from tests.api.conftest import PEER
from tests.api.gateway.test_sessions import error, linked, reaches
from tests.api.world import Reply, World, world_in

CHAT = "628123456789@c.us"
TEXT = {"chatId": CHAT, "text": "Hello"}
LARGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 300_000).decode()


async def send(world: World, body: object, route: str = "send-text", key: str | None = None) -> Reply:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await world.call("POST", f"/api/sessions/acme/messages/{route}", body, headers=headers)


async def rows(world: World) -> list[Message]:
    """Return the session's messages, oldest first."""
    read = partial(messages.read_messages, session_id=SessionId("acme"), wanted=MessageFilter())
    return (await world.database.read(read))[::-1]


async def attempts_at(world: World, message: Message) -> list[Attempt]:
    return (await world.database.read(partial(messages.read_attempts, messages=[message])))[message.message_id]


async def got(world: World) -> list[dict[str, object]]:
    """Return what WhatsApp got of the session, in order."""
    books = json.loads((await world.call("GET", "/api/sessions/acme/messages?limit=100")).raw)
    found: list[dict[str, object]] = books["messages"]
    return found[::-1]


async def test_a_send_is_a_message_and_its_answer_is_openwas_own(world: World) -> None:
    await linked(world)

    sent = await send(world, TEXT)
    again = await send(world, {**TEXT, "chatId": "+62 812-3456-789"})
    (first, second) = await rows(world)
    (attempt,) = await attempts_at(world, first)

    assert (sent.status, set(sent.json)) == (201, {"messageId", "timestamp"})
    assert again.status == 201
    assert (first.origin.route, first.kind, first.recipient.to) == (SendRoute.GATEWAY, Kind.TEXT, CHAT)
    assert (first.whatsapp_message_id, first.body) == (sent.json["messageId"], None)
    assert (attempt.outcome, attempt.http_status) == (AttemptOutcome.SENT, 201)
    assert (second.recipient.to, second.recipient.chat_id) == ("+62 812-3456-789", CHAT)
    assert [each.recipient.is_first_contact for each in (first, second)] == [True, False]


async def test_what_is_told_of_a_send_carries_its_id(world: World) -> None:
    await linked(world)

    await send(world, TEXT)
    (row,) = await rows(world)

    async def told() -> list[object]:
        query = "SELECT type, data FROM event WHERE type LIKE 'message.%' ORDER BY seq"
        found = await world.database.read(lambda connection: connection.execute(query).fetchall())
        return [(type_, json.loads(data)["manager_message_id"]) for type_, data in found]

    async with asyncio.timeout(10):
        while len(await told()) < 3:
            pass
    assert await told() == [(f"message.{each}", row.message_id) for each in ("sent", "delivered", "read")]


async def test_the_guides_message_is_one_too(world: World) -> None:
    await linked(world)

    sent = await send(world, {"to": "+62 812-3456-789", "text": "Hello"}, "send")

    (row,) = await rows(world)
    assert (sent.status, sent.json["status"]) == (201, "queued")
    assert (row.kind, row.recipient.chat_id, row.status) == (Kind.TEXT, CHAT, row.status)
    assert row.whatsapp_message_id == sent.json["messageId"]


async def test_a_large_file_is_handed_on_as_it_comes_and_is_a_message(world: World) -> None:
    await linked(world)
    body = {"base64": LARGE, "mimetype": "image/png", "caption": "Look", "chatId": CHAT}

    sent = await send(world, body, "send-image")

    (row,) = await rows(world)
    assert sent.status == 201
    assert (row.kind, row.recipient.chat_id, row.whatsapp_message_id) == (Kind.IMAGE, CHAT, sent.json["messageId"])


@pytest.mark.parametrize("mode", ["500", "429"])
async def test_what_openwa_did_not_send_or_may_have_is_recorded_so(world: World, mode: str) -> None:
    session = await linked(world)
    await world.play(session.session_id, f"fail?mode={mode}")

    answer = await send(world, TEXT)
    (row,) = await rows(world)

    assert answer.status == int(mode)
    status, code = {
        "500": (MessageStatus.UNKNOWN, "engine_error"),
        "429": (MessageStatus.FAILED, "engine_limited"),
    }[mode]
    assert (row.status, row.error.code if row.error else None) == (status, code)
    assert row.body is not None
    assert row.body.text == "Hello"


async def test_what_openwa_finds_wrong_has_failed(world: World) -> None:
    await linked(world)

    refused = await send(world, {**TEXT, "foo": 1})

    (row,) = await rows(world)
    assert error(refused) == (400, ["property foo should not exist"])
    assert (row.status, row.error.code if row.error else None) == (MessageStatus.FAILED, "invalid_request")


@pytest.mark.parametrize("body", [TEXT, {"base64": LARGE, "mimetype": "image/png", "chatId": "628123456789"}])
async def test_who_wants_no_messages_gets_none(world: World, body: dict[str, str]) -> None:
    await linked(world)
    world.messaging.outside.suppressed.add(CHAT)

    refused = await send(world, body, "send-image" if "base64" in body else "send-text")

    assert (refused.status, refused.json["code"]) == (400, "RECIPIENT_OPTED_OUT")
    assert await rows(world) == []
    assert await got(world) == []


async def test_a_used_up_quota_refuses_and_says_until_when(world: World) -> None:
    await world.create(session_id="acme", user_id="1", wait_for="qr")
    await world.play("acme", "scan")
    await reaches(world, Status.CONNECTED)
    key = user_key_of(SessionId("acme"), "1")
    await world.database.write(partial(quotas.set_limit, user_key=key, limit=1))

    first, second = await send(world, TEXT), await send(world, TEXT)

    assert first.status == 201
    assert (second.status, second.json["code"]) == (429, "QUOTA_EXCEEDED")
    assert second.headers["Retry-After"] == str(second.json["retryAfterSeconds"])


async def test_a_key_is_answered_as_before_and_sends_once(world: World) -> None:
    await linked(world)

    first = await send(world, TEXT, key="order-1")
    again = await send(world, TEXT, key="order-1")
    other = await send(world, {**TEXT, "text": "Bye"}, key="order-1")

    assert (again.status, again.raw) == (first.status, first.raw)
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert (other.status, other.json["code"]) == (422, "IDEMPOTENCY_KEY_MISMATCH")
    assert len(await rows(world)) == len(await got(world)) == 1


async def test_a_large_body_is_compared_under_its_key_as_well(world: World) -> None:
    await linked(world)
    body = {"chatId": CHAT, "base64": LARGE, "mimetype": "image/png"}

    first = await send(world, body, "send-image", key="order-1")
    again = await send(world, body, "send-image", key="order-1")
    other = await send(world, {**body, "caption": "New"}, "send-image", key="order-1")

    assert (again.status, again.raw) == (201, first.raw)
    assert other.status == 422
    assert len(await got(world)) == 1


async def test_a_key_of_an_unknown_outcome_says_so(world: World) -> None:
    session = await linked(world)
    await world.play(session.session_id, "fail?mode=500")
    await send(world, TEXT, key="order-1")

    again = await send(world, TEXT, key="order-1")

    assert (again.status, again.json["code"]) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN")
    assert len(await rows(world)) == 1


async def test_a_key_of_what_was_not_sent_may_be_used_again(world: World) -> None:
    session = await linked(world)
    await world.play(session.session_id, "fail?mode=429")
    refused = await send(world, TEXT, key="order-1")

    sent = await send(world, TEXT, key="order-1")

    assert (refused.status, sent.status) == (429, 201)
    assert [each.status is MessageStatus.FAILED for each in await rows(world)] == [True, False]


@pytest.mark.parametrize("key", ["", "with space", "ä", "k" * 256])
async def test_a_key_that_openwa_would_not_take_is_refused(world: World, key: str) -> None:
    await linked(world)

    assert (await send(world, TEXT, key=key)).status == 400


async def test_a_send_under_way_is_in_progress_and_is_recorded_without_its_caller(
    tmp_path: Path, aiohttp_client: AiohttpClient
) -> None:
    async with world_in(tmp_path, aiohttp_client, program=PEER) as world:
        await world.create(session_id="acme", wait_for="connected")
        body = json.dumps({**TEXT, "is_held": True}).encode()
        head = f"POST /api/sessions/acme/messages/send-text HTTP/1.1\nHost: localhost\nX-API-Key: {world.key}"
        head = f"{head}\nIdempotency-Key: order-1\nContent-Type: application/json\nContent-Length: {len(body)}"
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)

        async def becomes(status: MessageStatus) -> None:
            async with asyncio.timeout(10):
                while [each.status for each in await rows(world)] != [status]:
                    pass

        await becomes(MessageStatus.SENDING)
        again = await send(world, {**TEXT, "is_held": True}, key="order-1")
        writer.close()
        await world.call("POST", "/api/sessions/acme/messages/release", {})

        assert (again.status, again.json["code"]) == (409, "IDEMPOTENCY_KEY_IN_PROGRESS")
        await becomes(MessageStatus.SENT)


async def test_no_answer_is_504_and_unknown(tmp_path: Path, aiohttp_client: AiohttpClient) -> None:
    async with world_in(tmp_path, aiohttp_client, silence_s=0.5) as world:
        session = await linked(world)
        await world.play(session.session_id, "fail?mode=timeout")

        answer = await send(world, TEXT)

        (row,) = await rows(world)
        assert (answer.status, row.status) == (504, MessageStatus.UNKNOWN)
