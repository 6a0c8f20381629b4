import asyncio
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.api.intake import BODY_MAX_BYTES, parse_delivery
from openwa_manager.domain.foreign_json import VALUES_MAX
from openwa_manager.domain.session.session import Session
from openwa_manager.services.delivery.backpressure import PostingRate
from openwa_manager.services.delivery.large_posts import LARGE_BYTES
from openwa_manager.webhooks.signing import is_signed
from tests.api.world import World, sign

RECORDED = Path(__file__).parents[1] / "data" / "openwa-transcripts" / "webhooks.json"
RECEIVED = json.dumps({"event": "message.received", "data": {"id": "M1", "body": "hello"}}).encode()


async def linked(world: World) -> Session:
    """Return a session whose engine shows its code."""
    await world.create(session_id="a", wait_for="qr")
    return world.sessions.get("a")


async def received(world: World) -> int:
    page = (await world.call("GET", "/v1/events?type=message.received")).json["events"]
    assert isinstance(page, list)
    return len(page)


async def test_a_signed_event_is_on_disk_when_it_is_answered(world: World) -> None:
    session = await linked(world)

    reply = await world.post_event(session, RECEIVED, key="k1")

    assert reply.status == 200
    assert await received(world) == 1


async def test_a_repeated_event_is_answered_and_counted_once(world: World) -> None:
    session = await linked(world)

    replies = [await world.post_event(session, RECEIVED, key=key) for key in ("k1", "k1", "k2")]

    assert [reply.status for reply in replies] == [200, 200, 200]
    assert await received(world) == 2


async def test_events_that_come_at_once_share_commits(world: World) -> None:
    session = await linked(world)
    before = world.database.commit_times.count

    async with asyncio.TaskGroup() as tasks:
        posts = [tasks.create_task(world.post_event(session, RECEIVED, key=f"k{number}")) for number in range(60)]

    assert {post.result().status for post in posts} == {200}
    assert world.database.commit_times.count - before < 30
    assert await received(world) == 60


@pytest.mark.parametrize("key", ["k\xe9", "k" * 7000])
async def test_an_odd_key_is_a_key_all_the_same(world: World, key: str) -> None:
    session = await linked(world)

    replies = [await world.post_event(session, RECEIVED, key=each) for each in (key, key, "another")]

    assert [reply.status for reply in replies] == [200, 200, 200]
    assert await received(world) == 2


def without_id(text: str) -> tuple[bytes, str]:
    """Return body and key of a recorded message, with this text, as OpenWA posts one whose id it does not know."""
    deliveries = json.loads(RECORDED.read_text())["deliveries"]
    recorded = next(each for each in deliveries if each["headers"]["X-OpenWA-Event"] == "message.received")
    body = json.loads(recorded["raw_body"])
    message_id = body["data"].pop("id")
    body["data"]["body"] = text
    key = recorded["headers"]["X-OpenWA-Idempotency-Key"].replace(message_id, "unknown")
    return json.dumps({**body, "idempotencyKey": key}).encode(), key


async def test_two_messages_without_an_id_are_two_and_a_repeat_of_one_is_none(world: World) -> None:
    session = await linked(world)

    for text in ("hello", "good bye", "hello"):
        body, key = without_id(text)
        await world.post_event(session, body, key=key)

    assert await received(world) == 2


async def test_an_empty_key_is_none(world: World) -> None:
    session = await linked(world)

    for _ in range(2):
        await world.post_event(session, RECEIVED, key="")

    assert await received(world) == 2


@pytest.mark.parametrize("signature", ["", "sha256=", "sha256=00", sign("other secret", RECEIVED), "ü"])
async def test_a_wrong_signature_is_refused(world: World, signature: str) -> None:
    session = await linked(world)

    reply = await world.post_event(session, RECEIVED, signature=signature)

    assert (reply.status, reply.code) == (401, "unauthenticated")
    assert await received(world) == 0


async def test_an_unknown_session_and_an_old_launch_are_told_apart(world: World) -> None:
    session = await linked(world)

    unknown = await world.post_event(session, RECEIVED, session_id="b")
    illegal = await world.post_event(session, RECEIVED, session_id="..%2fa")
    old = await world.post_event(session, RECEIVED, launch_id="0000")
    await world.call("POST", "/v1/sessions/a/stop?wait=20")
    stopped = await world.post_event(session, RECEIVED)

    assert [reply.status for reply in (unknown, illegal, old, stopped)] == [404, 404, 410, 410]
    assert old.code == "gone"


async def test_what_is_no_event_is_refused(world: World) -> None:
    session = await linked(world)

    for body, status in ((b"{", 400), (b"[" * 100_000, 400), (b"[]", 422), (b"{}", 422), (b'{"event": 7}', 422)):
        assert (await world.post_event(session, body)).status == status


async def test_more_than_two_mebibytes_are_too_much(world: World) -> None:
    session = await linked(world)
    assert session.launch is not None
    url = f"/hooks/a/{session.launch.launch_id}"

    async with world.intake.post(url, data=io.BytesIO(b" " * (BODY_MAX_BYTES + 1))) as answer:
        assert answer.status == 413


async def test_more_values_than_any_event_has_are_too_many(world: World) -> None:
    session = await linked(world)
    most = VALUES_MAX - RECEIVED.count(b",") - RECEIVED.count(b"{") - 1
    bodies = [RECEIVED[:-2] + b', "x": [' + b",".join([b"1"] * count) + b"]}}" for count in (most, most + 1)]

    replies = [await world.post_event(session, body, key=f"k{len(body)}") for body in bodies]

    assert [reply.status for reply in replies] == [200, 400]
    assert await received(world) == 1


async def test_a_text_full_of_commas_is_one_value(world: World) -> None:
    session = await linked(world)
    body = json.dumps({"event": "message.received", "data": {"id": "M1", "body": "," * 60_000}}).encode()

    assert (await world.post_event(session, body, key="k")).status == 200


async def test_of_large_posts_of_one_engine_two_are_under_way(world: World) -> None:
    session = await linked(world)
    body = RECEIVED[:-2] + b', "x": "' + b"x" * LARGE_BYTES + b'"}}'
    posts = world.channels.room.large_posts
    async with posts.room(session.session_id), posts.room(session.session_id):
        refused = await world.post_event(session, body, key="large")
        small = await world.post_event(session, RECEIVED, key="small")

    taken = await world.post_event(session, body, key="large")

    assert [refused.status, small.status, taken.status] == [503, 200, 200]


async def test_many_values_count_as_many_bytes(world: World) -> None:
    session = await linked(world)
    full = RECEIVED[:-2] + b', "x": [' + b",".join([b"1"] * 40_000) + b"]}}"
    world.channels.room.rate = PostingRate(bytes_per_s=3 * len(full) / 1_000, burst_s=1_000)

    replies = [await world.post_event(session, full, key=f"k{number}") for number in range(2)]

    assert [reply.status for reply in replies] == [200, 503]


async def test_an_event_we_have_no_use_for_is_answered_all_the_same(world: World) -> None:
    session = await linked(world)

    reply = await world.post_event(session, b'{"event": "weather.changed", "data": {}}')

    assert reply.status == 200


async def test_without_room_engines_are_asked_to_come_back_except_for_what_their_session_is(world: World) -> None:
    session = await linked(world)
    world.channels.room.is_full = True

    refused = await world.post_event(session, RECEIVED, key="k1")
    taken = await world.post_event(session, b'{"event": "session.disconnected", "data": {}}')
    world.channels.room.is_full = False
    again = await world.post_event(session, RECEIVED, key="k1")

    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "backlog_full", "5")
    assert (taken.status, again.status) == (200, 200)
    assert await received(world) == 1


async def test_an_engine_that_floods_with_how_its_session_is_takes_little_room(world: World) -> None:
    session = await linked(world)
    world.channels.room.rate = PostingRate(states_per_s=0.0, states_burst=10.0)
    words = (b"disconnected", b"connected") * 20

    replies = [await world.post_event(session, b'{"event": "session.%b", "data": {}}' % word) for word in words]
    heartbeat = await world.post_event(session, b'{"event": "session.heartbeat", "data": {}}')

    assert [reply.status for reply in replies] == [200] * 10 + [503] * 30
    assert heartbeat.status == 200
    steps = [each async for each in world.sessions.timeline(session.session_id, 500, 1 << 20)]
    assert len(steps) < 60


async def test_what_became_of_a_message_waits_for_room_too(world: World) -> None:
    session = await linked(world)
    world.channels.room.is_full = True

    refused = await world.post_event(session, b'{"event": "message.ack", "data": {"messageId": "m", "status": "read"}}')

    assert (refused.status, refused.code) == (503, "backlog_full")


async def test_an_engine_that_posts_too_fast_is_turned_away_before_its_body_is_read(world: World) -> None:
    session = await linked(world)
    assert session.launch is not None
    world.channels.room.count_bytes(session.session_id, 100_000_000)

    head = f"POST /hooks/a/{session.launch.launch_id} HTTP/1.1\nHost: x\nContent-Length: 1000000"
    status, headers = await world.raw(head, port=world.intake.port)

    assert (status, headers["Retry-After"]) == (503, "5")


async def test_a_body_that_never_ends_is_given_up_on(world: World) -> None:
    session = await linked(world)
    assert session.launch is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", world.intake.port)
    head = f"POST /hooks/a/{session.launch.launch_id} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    writer.write(head.encode() + b"5\r\nhel")
    answer = await reader.readuntil(b"\r\n\r\n")

    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert (await world.post_event(session, RECEIVED)).status == 200


async def test_the_intake_serves_nothing_else(world: World) -> None:
    async with world.intake.get("/v1/sessions") as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


def test_what_the_real_program_signed_is_recognised() -> None:
    recorded = json.loads(RECORDED.read_text())

    for delivery in recorded["deliveries"]:
        body, signature = delivery["raw_body"].encode(), delivery["headers"]["X-OpenWA-Signature"]
        assert is_signed(body, recorded["secret"], signature)
        assert is_signed(body, recorded["secret"], signature.removeprefix("sha256=").upper())
        assert not is_signed(body + b" ", recorded["secret"], signature)
        posted = parse_delivery(body, "key")
        assert (posted.event, posted.data) == (json.loads(body)["event"], json.loads(body)["data"])


def test_a_flat_event_is_its_own_data() -> None:
    delivery = parse_delivery(b'{"event": "session.connected", "phone_number": "852", "x": NaN}', None)

    assert delivery.data == {"phone_number": "852", "x": None}


@given(body=st.binary(max_size=200), secret=st.text(st.characters(codec="utf-8")), other=st.binary(max_size=200))
def test_a_signature_fits_one_body_only(body: bytes, secret: str, other: bytes) -> None:
    signature = sign(secret, body)

    assert is_signed(body, secret, signature)
    assert is_signed(other, secret, signature) == (other == body)
