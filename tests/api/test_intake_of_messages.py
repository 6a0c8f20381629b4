"""What engines post of messages, taken in by the real intake: whose they are, and what else they tell."""

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from functools import partial

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.messaging.messages import Attempt, Message, MessageStatus, Move
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.changes import MessageLeft
from openwa_manager.store.database import Connection
from openwa_manager.store.delivery.outbox import append
from openwa_manager.store.messaging.messages import find_message
from openwa_manager.store.messaging.moves import begin_attempt, move
from openwa_manager.store.messaging.proofs.acks import settle_early_acks
from tests.api.world import USER_AND_ID, World
from tests.store.messaging.samples import kept, new_message

_numbers = itertools.count()


async def linked(world: World) -> Session:
    """Return a user's session whose engine shows its code."""
    await world.create(session_id=USER_AND_ID, user_id="1", wait_for="qr")
    return world.sessions.get(USER_AND_ID)


async def post(world: World, event: str, data: Mapping[str, Json], key: str | None = None) -> None:
    body = json.dumps({"event": event, "data": data}).encode()
    session = world.sessions.get(USER_AND_ID)
    reply = await world.post_event(session, body, key=key or f"k{next(_numbers)}")
    assert reply.status == 200


async def ack(world: World, fate: str, whatsapp_id: str = "3EB0", key: str | None = None) -> None:
    await post(world, "message.ack", {"id": whatsapp_id, "messageId": whatsapp_id, "status": fate, "ack": 2}, key)


async def told(world: World) -> list[Mapping[str, Json]]:
    """Return what was told of messages and contacts, oldest first."""
    page = (await world.call("GET", "/v1/events?type=message.*&type=contact.*")).json["events"]
    assert isinstance(page, list)
    return [each for each in page if isinstance(each, dict)]


def begun(connection: Connection) -> Message:
    message = kept(connection, new_message(session_id=world_session(), reference="order-7"))
    moved = begin_attempt(connection, message.message_id, Attempt(number=0, at=1001.0))
    assert moved is not None
    return moved.after


def world_session() -> SessionId:
    return SessionId(USER_AND_ID)


def answered(connection: Connection, message: Message) -> None:
    moved = move(connection, message.message_id, Move(to=MessageStatus.SENT, at=1002.0, whatsapp_message_id="3EB0"))
    assert moved is not None
    append(connection, [*moved.events, *settle_early_acks(connection, world_session(), moved.after, 1002.0)])


def types(events: Sequence[Mapping[str, Json]]) -> list[Json]:
    return [event["type"] for event in events]


async def test_acknowledgements_are_told_of_our_messages_once_and_in_order(world: World) -> None:
    await linked(world)
    message = await world.database.write(begun)

    await ack(world, "sent", key="first")
    await ack(world, "sent", key="first")
    early = await told(world)
    await world.database.write(partial(answered, message=message))
    for fate in ("sent", "read", "delivered", "read"):
        await ack(world, fate)

    events = await told(world)
    assert early == []
    assert types(events) == ["message.sent", "message.read"]
    assert {event["manager_message_id"] for event in events} == {message.message_id}
    assert {event["reference"] for event in events} == {"order-7"}
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(seqs, key=str)
    assert {event["user_id"] for event in events} == {"1"}


async def test_many_acknowledgements_at_once_are_matched_all_the_same(world: World) -> None:
    await linked(world)
    message = await world.database.write(begun)
    await world.database.write(partial(answered, message=message))

    async with asyncio.TaskGroup() as tasks:
        for fate in ("sent", "delivered", "sent", "delivered", "read", "read"):
            tasks.create_task(ack(world, fate))
            tasks.create_task(ack(world, fate, "TYPED"))

    events = await told(world)
    ours = [event for event in events if event["message_id"] == "3EB0"]
    assert types(ours)[0] == "message.sent"
    assert types(ours)[-1] == "message.read"
    assert len(events) - len(ours) == 6
    assert (await _found(world, message)).status is MessageStatus.READ


async def test_a_reply_that_is_a_keyword_opts_out(world: World) -> None:
    await linked(world)
    message = await world.database.write(lambda connection: kept(connection, new_message(session_id=world_session())))
    data: dict[str, Json] = {
        "id": "IN1",
        "from": "85212345678@c.us",
        "chatId": "85212345678@c.us",
        "body": "Stop",
        "type": "text",
        "timestamp": 1795332131,
        "fromMe": False,
        "isGroup": False,
        "kind": "individual",
    }

    await post(world, "message.received", data)

    events = await told(world)
    assert types(events) == ["message.received", "contact.opted_out", "message.failed"]
    assert (events[1]["from"], events[1]["keyword"]) == ("85212345678@c.us", "STOP")
    assert events[2]["manager_message_id"] == message.message_id
    assert events[2]["error_code"] == "opted_out"
    assert (await _found(world, message)).status is MessageStatus.CANCELLED


async def test_who_wants_to_know_hears_what_left_through_the_account(world: World) -> None:
    session = await linked(world)
    heard = list[MessageLeft]()
    world.changes.message_left.subscribe(heard.append)
    body = json.dumps({"event": "message.sent", "data": {"id": "3EB0"}}).encode()

    await post(world, "message.sent", {"id": "3EB0"})
    refused = await world.post_event(session, body, signature="sha256=00")
    old = await world.post_event(session, body, launch_id="0000")

    assert heard == [MessageLeft(session_id=session.session_id, data={"id": "3EB0"})]
    assert (refused.status, old.status) == (401, 410)
    assert await told(world) == []


async def _found(world: World, message: Message) -> Message:
    found = await world.database.read(partial(find_message, message_id=message.message_id))
    assert found is not None
    return found
