import asyncio
from functools import partial

import pytest

from openwa_manager.api.messaging.people.models import ChecksOut
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.messaging.messages import MessageId, MessageStatus, Move
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import moves
from tests.api.world import Object, World

SESSION = "/v1/sessions/user_1_session_a"
PERSON = "/v1/users/1/contacts/85212345678"


@pytest.fixture
async def ready(world: World) -> World:
    await world.create(session_id="user_1_session_a", desired="stopped")
    return world


async def send(world: World, to: str = "85212345678") -> Object:
    reply = await world.call("POST", f"{SESSION}/messages", {"to": to, "text": "a secret"})
    assert reply.status == 202, reply.raw
    return reply.json


async def move(world: World, message: Object, to: MessageStatus) -> None:
    message_id = MessageId(str(message["message_id"]))
    await world.database.write(partial(moves.move, message_id=message_id, step=Move(to=to, at=1_900_000_000.0)))


async def test_numbers_are_checked_in_their_order(ready: World) -> None:
    ready.messaging.absent.add("85287654321")

    reply = await ready.call("POST", f"{SESSION}/contacts/check", {"numbers": ["+852 1234 5678", "85287654321"]})

    assert reply.status == 200
    yes, no = ChecksOut.model_validate_json(reply.raw).root
    assert (yes.number, yes.chat_id, yes.exists) == ("+852 1234 5678", "85212345678@c.us", True)
    assert (no.number, no.chat_id, no.exists) == ("85287654321", None, False)
    assert yes.checked_at


async def test_what_is_no_number_is_refused_by_its_place(ready: World) -> None:
    check = partial(ready.call, "POST", f"{SESSION}/contacts/check")

    assert (await check({"numbers": ["85212345678", "0"]})).json["field"] == "numbers.1"
    assert (await check({"numbers": ["120363000000000000@g.us"]})).status == 422
    assert (await check({"numbers": ["85212345678"] * 101})).status == 422
    assert (await check({"numbers": []})).status == 422


async def test_of_whom_another_users_session_asked_nothing_is_told(ready: World) -> None:
    await ready.create(session_id="user_10_a", user_id="10", desired="stopped")
    await ready.call("POST", "/v1/sessions/user_10_a/contacts/check", {"numbers": ["85212345678"]})
    key = await ready.key_of(Role.OPERATOR, sessions=["user_1_*"], chats=True)

    person = await ready.call("GET", PERSON, headers={"X-API-Key": key})

    assert (person.status, person.json["check"]) == (200, None)


async def test_all_that_is_kept_of_a_person_is_exported(ready: World) -> None:
    message = await send(ready)
    await send(ready, "85299999999")
    await ready.call("POST", "/v1/users/1/suppressions", {"to": "85212345678", "reason": "left"})

    person = (await ready.call("GET", PERSON)).json

    assert person["names"] == ["85212345678@c.us"]
    assert isinstance(person["suppression"], dict)
    assert person["suppression"]["reason"] == "left"
    assert isinstance(person["messages"], list)
    (shown,) = person["messages"]
    assert (shown["message_id"], shown["status"], shown["text"]) == (message["message_id"], "cancelled", None)


async def test_a_person_is_forgotten_and_stays_off_by_a_hash(ready: World) -> None:
    waiting, sent = await send(ready), await send(ready)
    other = await send(ready, "85299999999")
    for to in (MessageStatus.SENDING, MessageStatus.SENT):
        await move(ready, sent, to)
    await ready.call("POST", f"{SESSION}/contacts/check", {"numbers": ["85212345678"]})
    await ready.call("POST", "/v1/users/1/suppressions", {"to": "85212345678"})

    erased = await ready.call("DELETE", PERSON)

    assert erased.json == {"messages": 2, "in_flight": 0}
    person = (await ready.call("GET", PERSON)).json
    assert (person["messages"], person["known_in"], person["check"]) == ([], [], None)
    assert (await ready.call("GET", f"/v1/messages/{waiting['message_id']}")).status == 404
    assert (await ready.call("GET", f"/v1/messages/{other['message_id']}")).status == 200
    (left,) = await ready.database.read(_names)
    assert left is None
    assert (await ready.call("GET", "/v1/users/1/suppressions/85212345678")).json["to"] is None
    assert (await ready.call("DELETE", PERSON)).json == {"messages": 0, "in_flight": 0}


def _names(connection: Connection) -> list[str | None]:
    return [name for (name,) in connection.execute("SELECT name FROM suppression")]


async def test_a_message_that_is_just_being_sent_is_left_and_told(ready: World) -> None:
    message = await send(ready)
    await move(ready, message, MessageStatus.SENDING)

    first = await ready.call("DELETE", PERSON)
    await move(ready, message, MessageStatus.UNKNOWN)
    second = await ready.call("DELETE", PERSON)

    assert (first.json, second.json) == ({"messages": 0, "in_flight": 1}, {"messages": 1, "in_flight": 0})


async def test_the_quota_of_what_is_called_off_is_given_back(ready: World) -> None:
    await ready.call("PUT", "/v1/users/1/quota", {"messages_limit": 5})
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(send(ready))

    await ready.call("DELETE", PERSON)

    assert (await ready.call("GET", "/v1/users/1/quota")).json["messages_reserved"] == 0
