"""A bulk send is a batch of ours: answered, shown and called off as OpenWA does."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import pytest

from openwa_manager.api.gateway.sends.bulk_body import decoded
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import MediaUnavailableError
from openwa_manager.domain.messaging.messages import MessageStatus, SendRoute, user_key_of
from openwa_manager.domain.session.session import SessionId, Status
from openwa_manager.store.messaging import quotas
from tests.api.gateway.sends.test_rows import got, rows
from tests.api.gateway.test_sessions import error, linked, reaches
from tests.api.world import Object, Reply, World

ACME = "/api/sessions/acme/messages"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 200


def text_to(chat: str, text: str = "Hello") -> Object:
    return {"chatId": chat, "type": "text", "content": {"text": text}}


def chats(count: int) -> list[str]:
    return [f"62812345678{number}@c.us" for number in range(count)]


async def send_bulk(world: World, messages: Sequence[Object], key: str | None = None, **fields: Json) -> Reply:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await world.call("POST", f"{ACME}/send-bulk", {"messages": [*messages], **fields}, headers=headers)


async def status_of(world: World, answer: Reply) -> Object:
    """Return the batch as its status route shows it once it is over."""
    async with asyncio.timeout(20):
        while True:
            world.lane.queues.wake(SessionId("acme"))
            shown = await world.call("GET", str(answer.json["statusUrl"]))
            assert shown.status == 200
            if shown.json["status"] not in ("pending", "processing"):
                return shown.json


def progress(sent: int = 0, failed: int = 0, cancelled: int = 0, pending: int = 0) -> Object:
    total = sent + failed + cancelled + pending
    return {"total": total, "sent": sent, "failed": failed, "pending": pending, "cancelled": cancelled}


async def test_a_bulk_send_is_a_batch_that_the_queue_sends(world: World) -> None:
    await linked(world)

    accepted = await send_bulk(world, [text_to(chat) for chat in chats(3)])
    shown = await status_of(world, accepted)

    assert accepted.status == 202
    assert set(accepted.json) == {"batchId", "status", "totalMessages", "estimatedCompletionTime", "statusUrl"}
    assert (accepted.json["status"], accepted.json["totalMessages"]) == ("pending", 3)
    assert (shown["batchId"], shown["status"], shown["progress"]) == (
        accepted.json["batchId"],
        "completed",
        progress(sent=3),
    )
    assert [(each["chatId"], each["status"]) for each in results(shown)] == [(chat, "sent") for chat in chats(3)]
    assert all(each["messageId"] and each["sentAt"] for each in results(shown))
    assert {each.origin.route for each in await rows(world)} == {SendRoute.GATEWAY}
    assert [each["chatId"] for each in await got(world)] == chats(3)


def results(shown: Object) -> list[Object]:
    found = shown["results"]
    assert isinstance(found, list)
    return [each for each in found if isinstance(each, dict)]


async def test_files_in_base64_are_kept_until_they_are_sent(world: World) -> None:
    await linked(world)
    written = base64.b64encode(PNG).decode()
    image: Json = {"base64": f"data:image/png;base64,{written}", "mimetype": "image/png"}
    messages: list[Object] = [
        {
            "chatId": chat,
            "type": "image",
            "content": {"image": image, "caption": "For {{name}}"},
            "variables": {"name": chat[-6]},
        }
        for chat in chats(2)
    ]

    shown = await status_of(world, await send_bulk(world, messages))

    assert shown["progress"] == progress(sent=2), shown
    assert [each["body"] for each in await got(world)] == ["For 0", "For 1"]


async def test_who_cannot_be_written_to_is_a_message_that_failed(world: World) -> None:
    await linked(world)
    first, unwanted, last = chats(3)
    world.messaging.outside.suppressed.add(unwanted)

    accepted = await send_bulk(world, [text_to(each) for each in (first, unwanted, "nobody", last)])
    shown = await status_of(world, accepted)

    assert (accepted.status, accepted.json["totalMessages"]) == (202, 4)
    assert (shown["status"], shown["progress"]) == ("completed", progress(sent=2, failed=2))
    assert [each.get("error", {}) for each in results(shown)][1] == {
        "code": "RECIPIENT_OPTED_OUT",
        "message": "the recipient wants no messages of this user",
    }
    assert [each["chatId"] for each in results(shown)] == [first, unwanted, "nobody", last]
    assert [each["chatId"] for each in await got(world)] == [first, last]


async def test_a_batch_that_stops_on_errors_calls_off_what_comes_behind_one(world: World) -> None:
    await linked(world)
    first, *others = chats(3)

    accepted = await send_bulk(
        world, [text_to(each) for each in (first, "nobody", *others)], options={"stopOnError": True}
    )
    shown = await status_of(world, accepted)

    assert (shown["status"], shown["progress"]) == ("failed", progress(sent=1, failed=1, cancelled=2))
    assert [each["chatId"] for each in results(shown)] == [first, "nobody"]
    assert [each["chatId"] for each in await got(world)] == [first]


async def test_it_stops_on_what_the_engine_refuses_too(world: World) -> None:
    session = await linked(world)
    await world.play(session.session_id, "fail?mode=500")

    accepted = await send_bulk(world, [text_to(each) for each in chats(3)], options={"stopOnError": True})
    async with asyncio.timeout(20):
        while all(each.status in (MessageStatus.QUEUED, MessageStatus.SENDING) for each in await rows(world)):
            world.lane.queues.wake(SessionId("acme"))
    shown = await status_of(world, accepted)

    assert (shown["status"], shown["progress"]) == ("failed", progress(failed=1, cancelled=2))
    assert results(shown)[0]["error"] == {
        "code": "SEND_OUTCOME_UNKNOWN",
        "message": (await rows(world))[0].error.detail,  # type: ignore[union-attr]
    }


async def test_a_batch_is_known_by_the_id_its_caller_gave_it(world: World) -> None:
    await linked(world)
    ours = await send_bulk(world, [text_to(chats(1)[0])], batchId="spring sale/1")
    taken = await send_bulk(world, [text_to(chats(2)[1])], batchId="spring sale/1")

    shown = await status_of(world, ours)

    assert (ours.status, ours.json["batchId"], shown["batchId"]) == (202, "spring sale/1", "spring sale/1")
    assert error(taken) == (400, "Batch ID 'spring sale/1' already exists")
    assert len(await rows(world)) == 1


async def test_the_same_key_is_the_same_batch(world: World) -> None:
    await linked(world)
    messages = [text_to(chat) for chat in chats(2)]

    first = await send_bulk(world, messages, key="k", batchId="b")
    again = await send_bulk(world, messages, key="k", batchId="b")
    other = await send_bulk(world, messages[:1], key="k", batchId="b")

    assert (first.status, again.status, again.raw) == (202, 202, first.raw)
    assert (other.status, other.json["code"]) == (422, "IDEMPOTENCY_KEY_MISMATCH")
    assert len(await rows(world)) == 2


async def test_a_batch_is_called_off_once(world: World) -> None:
    await linked(world)
    await world.call("PATCH", "/v1/sessions/acme/queue", {"state": "paused"})
    accepted = await send_bulk(world, [text_to(chat) for chat in chats(3)])
    url = str(accepted.json["statusUrl"])

    waiting = await world.call("GET", url)
    cancelled = await world.call("POST", f"{url}/cancel")
    again = await world.call("POST", f"{url}/cancel")
    shown = await world.call("GET", url)

    assert (waiting.json["status"], waiting.json["startedAt"], waiting.json["results"]) == ("pending", None, [])
    assert waiting.json["progress"] == progress(pending=3)
    batch_id = accepted.json["batchId"]
    assert (cancelled.status, cancelled.json) == (
        200,
        {"batchId": batch_id, "status": "cancelled", "progress": progress(cancelled=3)},
    )
    assert error(again) == (400, f"Batch '{batch_id}' is already cancelled")
    assert shown.json["completedAt"] is not None


async def test_the_same_message_twice_is_sent_once_and_a_batch_may_be_empty(world: World) -> None:
    await linked(world)
    (chat,) = chats(1)

    twice = await send_bulk(world, [text_to(chat), text_to(chat), text_to(chat, "Bye")])
    empty = await send_bulk(world, [])

    assert (twice.status, twice.json["totalMessages"]) == (202, 2)
    assert (await status_of(world, twice))["progress"] == progress(sent=2)
    assert (empty.status, empty.json["totalMessages"]) == (202, 0)
    assert (await status_of(world, empty))["status"] == "completed"


async def test_a_longer_delay_is_kept(world: World) -> None:
    await linked(world)

    begun_at = world.gateway.now()
    accepted = await send_bulk(world, [text_to(chat) for chat in chats(9)], options={"delayBetweenMessages": 60_000})

    find = "SELECT gap_min_s, stops_on_error FROM batch"
    found = await world.database.read(lambda connection: [tuple(each) for each in connection.execute(find)])
    assert found == [(60.0, 0)]
    estimated_at = datetime.fromisoformat(str(accepted.json["estimatedCompletionTime"])).timestamp()
    assert 479 < estimated_at - begun_at < 600


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"messages": [text_to("628123456789@c.us")] * 101}, "at most 100"),
        ({"messages": [{**text_to("628123456789@c.us"), "foo": 1}]}, "property messages.0.foo should not exist"),
        ({"messages": [text_to("628123456789@c.us", "x" * 4097)]}, "4096"),
        ({"messages": [text_to("628123456789@c.us", "x" * 100_000)]}, "too long"),
        ({"messages": [text_to("628123456789@c.us", "")]}, "messages.0.text"),
        ({"messages": [], "options": {"delayBetweenMessages": 999}}, "1000"),
        ({"messages": [{"chatId": "1@c.us", "type": "sticker", "content": {}}]}, "type"),
        ({"messages": [{"chatId": "1@c.us", "type": "image", "content": {}}]}, "url or base64"),
        (
            {"messages": [{"chatId": "1@c.us", "type": "audio", "content": {"audio": {"url": "x", "ptt": True}}}]},
            "one by one",
        ),
        (
            {"messages": [{"chatId": "1@c.us", "type": "image", "content": {"image": {"base64": "?" * 50_000}}}]},
            "no base64",
        ),
    ],
)
async def test_what_is_no_bulk_send_is_refused_and_leaves_nothing(world: World, body: Object, says: str) -> None:
    await linked(world)

    refused = await world.call("POST", f"{ACME}/Send-Bulk/", body)

    assert refused.status == 400
    assert says in str(refused.json["message"])
    assert await rows(world) == []
    assert list((world.home / "media").iterdir()) == []


async def test_a_session_that_is_not_started_takes_none(world: World) -> None:
    await world.create(session_id="acme", desired="stopped")

    refused = await send_bulk(world, [text_to(chats(1)[0])])

    assert error(refused) == (400, "Session 'acme' is not active. Start the session first.")


async def test_what_the_quota_has_no_room_for_has_failed_and_a_used_up_one_takes_nothing(world: World) -> None:
    await world.create(session_id="acme", user_id="1", wait_for="qr")
    await world.play("acme", "scan")
    await reaches(world, Status.CONNECTED)
    key = user_key_of(SessionId("acme"), "1")
    await world.database.write(partial(quotas.set_limit, user_key=key, limit=2))

    shown = await status_of(world, await send_bulk(world, [text_to(chat) for chat in chats(3)]))
    second = await send_bulk(world, [text_to(chats(1)[0])])

    assert shown["progress"] == progress(sent=2, failed=1)
    assert results(shown)[2]["error"] == {
        "code": "QUOTA_EXCEEDED",
        "message": "the user's quota of this month is used up",
    }
    assert (second.status, second.json["code"]) == (429, "QUOTA_EXCEEDED")


async def test_another_sessions_batch_is_not_shown(world: World) -> None:
    await linked(world)
    await linked(world, "other")
    accepted = await send_bulk(world, [text_to(chats(1)[0])])

    shown = await world.call("GET", f"/api/sessions/other/messages/batch/{accepted.json['batchId']}")

    assert error(shown) == (404, f"Batch '{accepted.json['batchId']}' not found")


async def test_a_session_that_has_an_id_anew_knows_no_batch_of_the_former(world: World) -> None:
    await linked(world)
    accepted = await send_bulk(world, [text_to(chats(1)[0])])
    await status_of(world, accepted)
    assert (await world.call("DELETE", "/v1/sessions/acme")).status == 204
    await linked(world)

    shown = await world.call("GET", str(accepted.json["statusUrl"]))

    assert shown.status == 404


@pytest.mark.parametrize("size_bytes", [1, 2, 3, 200_001, 400_000])
def test_base64_is_decoded_however_it_is_written(size_bytes: int) -> None:
    raw = (bytes(range(251, 256)) * (size_bytes // 5 + 1))[:size_bytes]
    plain = base64.b64encode(raw)

    ways = [
        plain,
        plain.rstrip(b"="),
        plain.replace(b"/", b"\\/"),
        base64.urlsafe_b64encode(raw),
        b"data:image\\/png;base64," + plain,
        b"\\r\\n".join(plain[at : at + 76] for at in range(0, len(plain), 76)),
    ]

    assert all(b"".join(decoded(memoryview(way))) == raw for way in ways)


@pytest.mark.parametrize("written", [b"?", b"A", b"\\u0041AAA", b"AA=A"])
def test_what_is_no_base64_is_refused(written: bytes) -> None:
    with pytest.raises(MediaUnavailableError):
        list(decoded(memoryview(written)))
