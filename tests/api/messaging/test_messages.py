import asyncio
from collections.abc import Mapping
from functools import partial

import pytest

from openwa_manager.api.messaging.requests import MESSAGE_MAX_BYTES
from openwa_manager.api.messaging.responses import MessageOut, MessagePage
from openwa_manager.domain.messaging.messages import MessageId, MessageStatus, Move, UserKey
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import moves, quotas
from openwa_manager.store.messaging.moves import MessageMoved
from tests.api.world import Object, Reply, World

PATH = "/v1/sessions/user_1_session_a/messages"
HELLO = {"to": "+852 1234 5678", "text": "hello"}


@pytest.fixture
async def ready(world: World) -> World:
    await world.create(session_id="user_1_session_a", desired="stopped")
    return world


async def post(world: World, body: Mapping[str, object], key: str | None = None) -> Reply:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await world.call("POST", PATH, {**HELLO, **body}, headers=headers)


async def send(world: World, key: str | None = None, **body: str) -> Reply:
    return await post(world, body, key)


async def sent(world: World, **body: object) -> Object:
    reply = await post(world, body)
    assert reply.status == 202, reply.raw
    MessageOut.model_validate_json(reply.raw)
    return reply.json


async def move(world: World, message_id: object, to: MessageStatus) -> MessageMoved:
    step = partial(moves.move, message_id=MessageId(str(message_id)), step=Move(to=to, at=1_900_000_000.0))
    moved = await world.database.write(step)
    assert moved is not None
    return moved


def wipe_bodies(connection: Connection) -> None:
    connection.execute("UPDATE message SET body = NULL")


async def test_a_message_is_taken_in_and_waits(ready: World) -> None:
    message = await sent(ready, reference="order-1")

    shown = await ready.call("GET", f"/v1/messages/{message['message_id']}")
    assert (shown.status, shown.json) == (200, {**message, "estimated_at": shown.json["estimated_at"]})
    assert (message["status"], message["chat_id"], message["to"]) == ("queued", "85212345678@c.us", "+852 1234 5678")
    assert (message["user_id"], message["reference"], message["priority"]) == ("1", "order-1", "normal")
    assert (message["is_first_contact"], message["position"], message["attempts"]) == (True, 1, [])
    assert [ready.messaging.outside.woken, len(ready.messaging.outside.noted)] == [["user_1_session_a"], 1]


async def test_the_same_key_and_body_is_the_same_message(ready: World) -> None:
    first = await send(ready, "k1")
    again = await send(ready, "k1")
    other = await send(ready, "k1", text="good bye")
    new = await send(ready, "k2")

    assert (first.status, again.status, new.status) == (202, 200, 202)
    assert again.json["message_id"] == first.json["message_id"] != new.json["message_id"]
    assert (other.status, other.code) == (422, "idempotency_mismatch")


async def test_a_reference_does_what_a_key_does_when_there_is_none(ready: World) -> None:
    first = await send(ready, reference="r")
    again = await send(ready, reference="r")
    other = await send(ready, reference="r", text="good bye")
    labelled = await send(ready, "k1", reference="r", text="good bye")
    after_label = await send(ready, reference="r", text="good bye")

    assert (first.status, again.status, labelled.status) == (202, 200, 202)
    assert again.json["message_id"] == first.json["message_id"] != labelled.json["message_id"]
    assert (other.code, after_label.code) == ("idempotency_mismatch", "idempotency_mismatch")


async def test_many_calls_with_one_key_at_once_make_one_message(ready: World) -> None:
    replies = await asyncio.gather(*(send(ready, "k") for _ in range(20)))  # noqa: TID251 (a test's crowd)

    assert sorted(reply.status for reply in replies) == [200] * 19 + [202]
    assert len({reply.json["message_id"] for reply in replies}) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"to": "0123456"}, "invalid_recipient"),
        ({"to": ""}, "invalid_recipient"),
        ({"to": "x" * 2000}, "invalid"),
        ({"text": ""}, "invalid"),
        ({"text": " "}, "invalid"),
        ({"text": "x" * 4097}, "invalid"),
        ({"text": 5}, "invalid"),
        ({"text": "a\0b"}, "invalid"),
        ({"image_url": "https://example.com/a.png"}, "invalid"),
        ({"text": None}, "invalid"),
        ({"text": None, "image_url": "ftp://example.com/a"}, "invalid"),
        ({"text": None, "image_url": "https://example.com/a", "caption": "x" * 1025}, "invalid"),
        ({"text": None, "audio_url": "https://example.com/a", "caption": "x"}, "invalid"),
        ({"text": None, "document_url": "https://example.com/a", "filename": "../x"}, "invalid"),
        ({"caption": "x"}, "invalid"),
        ({"reference": "x" * 129}, "invalid"),
        ({"reference": ""}, "invalid"),
        ({"priority": "high"}, "invalid"),
        ({"send_after": "tomorrow"}, "invalid"),
        ({"send_after": "2026-11-01T00:00:00"}, "invalid"),
        ({"send_after": "9999-12-31T23:59:59-12:00"}, "invalid"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "invalid"),
        ({"colour": "red"}, "invalid"),
    ],
)
async def test_what_cannot_be_sent_is_refused(ready: World, body: Object, code: str) -> None:
    reply = await post(ready, body)

    assert (reply.status, reply.code) == (422, code)
    listed = await ready.call("GET", PATH)
    assert listed.json["messages"] == []


async def test_what_expires_before_its_time_is_never_sendable(ready: World) -> None:
    times = {"send_after": "2027-06-01T10:00:00Z", "expires_at": "2027-06-01T09:00:00Z"}

    reply = await send(ready, **times)

    assert (reply.status, reply.code) == (422, "never_sendable")


async def test_a_message_for_later_says_why_it_waits(ready: World) -> None:
    message = await sent(ready, send_after="2027-06-01T10:00:00+02:00", priority="low")

    hold = message["hold"]
    assert isinstance(hold, dict)
    assert (hold["code"], hold["until"]) == ("send_after", "2027-06-01T08:00:00.000Z")
    assert (message["send_after"], message["expires_at"]) == ("2027-06-01T08:00:00.000Z", "2027-06-02T08:00:00.000Z")
    assert (message["position"], message["estimated_at"]) == (None, "2027-06-01T08:00:00.000Z")
    assert message["priority"] == "low"


async def test_a_body_is_bounded(ready: World) -> None:
    reply = await send(ready, text="x" * MESSAGE_MAX_BYTES)

    assert (reply.status, reply.code) == (413, "too_large")


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
async def test_a_key_that_is_none_is_refused(ready: World, key: str) -> None:
    reply = await send(ready, key)

    assert (reply.status, reply.code, reply.json["field"]) == (422, "invalid", "Idempotency-Key")


async def test_an_unknown_session_or_message_is_not_found(ready: World) -> None:
    calls = (
        ("POST", "/v1/sessions/nobody/messages", HELLO),
        ("GET", "/v1/sessions/nobody/messages", None),
        ("GET", "/v1/messages/msg_1", None),
        ("DELETE", "/v1/messages/msg_1", None),
        ("POST", "/v1/messages/msg_1/resend", None),
        ("POST", "/v1/messages/msg_1/settle", {"as": "sent"}),
    )

    replies = [await ready.call(*call) for call in calls]

    assert {(reply.status, reply.code) for reply in replies} == {(404, "not_found")}


async def test_whoever_opted_out_is_not_written_to(ready: World) -> None:
    ready.messaging.outside.suppressed.add("85212345678@c.us")

    reply = await send(ready)

    assert (reply.status, reply.code) == (422, "opted_out")


async def test_a_used_up_quota_says_when_it_begins_anew(ready: World) -> None:
    await ready.database.write(partial(quotas.set_limit, user_key=UserKey("user:1"), limit=1))

    first = await send(ready, "k1")
    second = await send(ready, "k2")
    again = await send(ready, "k1")

    assert (first.status, again.status) == (202, 200)
    assert (second.status, second.code) == (429, "quota_exceeded")
    assert str(second.json["resets_at"]).endswith("-01T00:00:00.000Z")
    assert second.headers["Retry-After"] == str(second.json["retry_after_s"])


async def test_a_message_that_waits_is_called_off_once(ready: World) -> None:
    message_id = (await sent(ready))["message_id"]

    cancelled = await ready.call("DELETE", f"/v1/messages/{message_id}")
    again = await ready.call("DELETE", f"/v1/messages/{message_id}")

    assert (cancelled.status, cancelled.json["status"], cancelled.json["hold"]) == (200, "cancelled", None)
    assert (again.status, again.json) == (200, cancelled.json)


async def test_a_message_that_is_being_sent_is_not_called_off(ready: World) -> None:
    message_id = (await sent(ready))["message_id"]
    await move(ready, message_id, MessageStatus.SENDING)

    reply = await ready.call("DELETE", f"/v1/messages/{message_id}")

    assert (reply.status, reply.code) == (409, "illegal_transition")


async def test_only_what_is_unknown_is_settled(ready: World) -> None:
    path = f"/v1/messages/{(await sent(ready))['message_id']}"
    early = await ready.call("POST", f"{path}/settle", {"as": "sent"})
    await move(ready, path.rpartition("/")[2], MessageStatus.SENDING)
    await move(ready, path.rpartition("/")[2], MessageStatus.UNKNOWN)

    wrong = await ready.call("POST", f"{path}/settle", {"as": "read"})
    settled = await ready.call("POST", f"{path}/settle", {"as": "failed"})
    again = await ready.call("POST", f"{path}/settle", {"as": "sent"})

    assert (early.status, wrong.status, again.status) == (409, 422, 409)
    assert (settled.status, settled.json["status"], settled.json["error_code"]) == (200, "failed", "settled")


async def test_what_did_not_get_through_is_sent_again_as_a_new_message(ready: World) -> None:
    first = await sent(ready, reference="r")
    waiting = await ready.call("POST", f"/v1/messages/{first['message_id']}/resend")
    await move(ready, first["message_id"], MessageStatus.FAILED)

    resent = await ready.call("POST", f"/v1/messages/{first['message_id']}/resend")

    assert (waiting.status, waiting.code) == (409, "illegal_transition")
    assert (resent.status, resent.json["replaces"], resent.json["status"]) == (202, first["message_id"], "queued")
    assert (resent.json["reference"], resent.json["chat_id"]) == ("r", first["chat_id"])


async def test_the_same_call_twice_sends_a_message_again_only_once(ready: World) -> None:
    message_id = (await sent(ready))["message_id"]
    await move(ready, message_id, MessageStatus.FAILED)
    path = f"/v1/messages/{message_id}/resend"

    first, again = await ready.call("POST", path), await ready.call("POST", path)
    await move(ready, first.json["message_id"], MessageStatus.FAILED)
    anew = await ready.call("POST", path)

    assert (first.status, again.status, anew.status) == (202, 200, 202)
    assert first.json["message_id"] == again.json["message_id"] != anew.json["message_id"]


async def test_what_is_not_kept_is_not_sent_again(ready: World) -> None:
    message_id = (await sent(ready))["message_id"]
    await move(ready, message_id, MessageStatus.FAILED)
    await ready.database.write(wipe_bodies)

    reply = await ready.call("POST", f"/v1/messages/{message_id}/resend")

    assert (reply.status, reply.code) == (409, "body_gone")


async def test_messages_are_listed_newest_first_and_paged(ready: World) -> None:
    made = [(await sent(ready, reference=f"r{number}", text=f"text {number}"))["message_id"] for number in range(5)]

    page = await ready.call("GET", f"{PATH}?limit=2")
    rest = await ready.call("GET", f"{PATH}?limit=10&cursor={page.json['next_cursor']}")

    found = [*MessagePage.model_validate_json(page.raw).messages, *MessagePage.model_validate_json(rest.raw).messages]
    assert [each.message_id for each in found] == made[::-1]
    assert [each.position for each in found] == [5, 4, 3, 2, 1]
    assert rest.json["next_cursor"] is None


async def test_messages_are_found_by_what_they_have(ready: World) -> None:
    one = (await sent(ready, reference="r1", to="+85212345678"))["message_id"]
    two = (await sent(ready, reference="r2", to="+85287654321"))["message_id"]
    await move(ready, two, MessageStatus.FAILED)

    async def found(query: str) -> list[str]:
        reply = await ready.call("GET", f"{PATH}?{query}")
        return [each.message_id for each in MessagePage.model_validate_json(reply.raw).messages]

    assert await found("status=queued") == [one]
    assert await found("status=queued&status=failed") == [two, one]
    assert await found("to=852%201234-5678") == [one]
    assert await found("reference=r2") == [two]
    assert await found("batch_id=batch_1") == []
    for wrong in ("status=lost", "to=0123", "cursor=x", "limit=0", "colour=red"):
        assert (await ready.call("GET", f"{PATH}?{wrong}")).status == 422


@pytest.mark.parametrize("send_after", ["0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z"])
async def test_a_time_that_nobody_can_mean_is_refused(ready: World, send_after: str) -> None:
    reply = await send(ready, send_after=send_after)

    assert reply.status == 422, reply.raw
    page = await ready.call("GET", PATH)
    assert (page.status, page.json["messages"]) == (200, [])
