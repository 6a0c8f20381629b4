"""Looking for proof, by a clock that the test moves, against an engine that answers as the test says."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import Attempt, AttemptOutcome, Message, Move
from openwa_manager.domain.messaging.sightings import LOOKUPS_S, OVERDUE_MAX, SeenMessage, body_sha256
from openwa_manager.services.messaging.evidence import Evidence, EvidenceParts
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.moves import AttemptEnd, begin_attempt, end_attempt, event_of, move
from tests.services.messaging.evidence_setup import ANNA, Room, S, room_in, running
from tests.store.messaging.samples import SESSION, kept, new_message
from tests.store.messaging.test_acks import ack


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with room_in(tmp_path) as opened:
        yield opened


@pytest.fixture
async def evidence(room: Room) -> AsyncIterator[Evidence]:
    parts = EvidenceParts(records=room.records, clock=room.clock, reach=room.reach, wake=room.woken.append)
    watching = Evidence(parts)
    room.subscribe(watching.note)
    async with running(watching.run):
        yield watching


def unknown(connection: Connection, at: float, text: str = "hello") -> Message:
    message = kept(connection, new_message(text=text))
    begun = begin_attempt(connection, message.message_id, Attempt(number=0, at=at - 1))
    assert begun is not None
    end_attempt(connection, begun.after, AttemptEnd(at=at, outcome=AttemptOutcome.UNCERTAIN))
    moved = move(connection, message.message_id, Move(to=S.UNKNOWN, at=at))
    assert moved is not None
    return moved.after


def sent(connection: Connection, at: float, whatsapp_id: str = "3EB0") -> Message:
    message = kept(connection)
    begin_attempt(connection, message.message_id, Attempt(number=0, at=at))
    moved = move(connection, message.message_id, Move(to=S.SENT, at=at, whatsapp_message_id=whatsapp_id))
    assert moved is not None
    return moved.after


def seen(room: Room, fate: str | None = None, message_id: str = "3EB0") -> SeenMessage:
    at = float(int(room.clock.now().at))
    return SeenMessage(message_id=message_id, chat_id=ANNA, body_sha256=body_sha256("hello"), at=at, fate=fate)


async def test_what_the_engine_says_that_left_settles_an_unknown_message(room: Room, evidence: Evidence) -> None:
    evidence.note_seen(SESSION, seen(room))
    message = await room.kept(unknown)
    evidence.watch(SESSION)

    await room.pass_time(3)

    assert await room.status(message) is S.SENT
    assert room.types() == ["message.sent"]
    assert room.engine.asked == []


async def test_the_list_is_asked_for_until_it_says_what_became_of_it(room: Room, evidence: Evidence) -> None:
    message = await room.kept(unknown)
    left = seen(room)
    evidence.watch(SESSION)

    await room.pass_time(40)
    before = len(room.engine.asked), await room.status(message)
    room.engine.seen = [left]
    await room.pass_time(100)

    assert before == (2, S.UNKNOWN)
    assert room.engine.asked == [ANNA] * 3
    assert await room.status(message) is S.SENT


async def test_after_70_minutes_it_is_left_to_people(room: Room, evidence: Evidence) -> None:
    message = await room.kept(unknown)
    room.engine.seen = None
    evidence.watch(SESSION)

    await room.pass_time(9000)

    assert len(room.engine.asked) == len(LOOKUPS_S)
    assert await room.status(message) is S.UNKNOWN


async def test_an_engine_is_asked_only_while_its_session_is_connected(room: Room, evidence: Evidence) -> None:
    message = await room.kept(unknown)
    room.engine.seen = [seen(room)]
    room.is_connected = False
    evidence.watch(SESSION)

    await room.pass_time(60)
    asked = list(room.engine.asked)
    room.is_connected = True
    await room.engine_says(Event(type="session.connected", occurred_at=1.0, session_id=SESSION))
    await room.pass_time(1)

    assert asked == []
    assert await room.status(message) is S.SENT


async def test_an_acknowledgement_is_kept_until_the_proof_is_there(room: Room, evidence: Evidence) -> None:
    message = await room.kept(unknown)
    evidence.watch(SESSION)

    await room.engine_says(ack("delivered"), ack("read", "TYPED"))
    evidence.note_seen(SESSION, seen(room))
    await room.pass_time(10)
    proven = [each.event.type for each in room.told], await room.status(message)
    await room.pass_time(40)

    assert proven == (["message.sent", "message.delivered", "message.read"], S.DELIVERED)
    assert [each.event.data["manager_message_id"] for each in room.told] == [message.message_id] * 2 + [None]


async def test_an_acknowledgement_is_not_kept_for_long(room: Room, evidence: Evidence) -> None:
    await room.kept(unknown)
    evidence.watch(SESSION)
    room.is_connected = False

    await room.pass_time(10)
    await room.engine_says(ack("delivered"))
    early = room.types()
    await room.pass_time(30)

    assert early == []
    assert [each.event.data["manager_message_id"] for each in room.told] == [None]


async def test_a_start_takes_up_what_lacked_proof(room: Room) -> None:
    message = await room.kept(unknown)
    room.engine.seen = [seen(room)]
    await room.pass_time(1000)
    parts = EvidenceParts(records=room.records, clock=room.clock, reach=room.reach, wake=room.woken.append)

    async with running(Evidence(parts).run):
        await room.pass_time(1)

    assert room.engine.asked == [ANNA]
    assert await room.status(message) is S.SENT


async def test_a_missing_acknowledgement_is_asked_for_once(room: Room, evidence: Evidence) -> None:
    message = await room.kept(sent)
    evidence.watch(SESSION)

    await room.pass_time(599)
    early = len(room.engine.asked)
    await room.pass_time(3000)

    assert early == 0
    assert room.engine.asked == [ANNA]
    assert (await room.message(message)).ack_overdue


async def test_what_the_list_knows_of_it_counts_as_one(room: Room, evidence: Evidence) -> None:
    message = await room.kept(sent)
    room.engine.seen = [seen(room, fate="delivered")]
    evidence.watch(SESSION)

    await room.pass_time(700)

    assert await room.status(message) is S.DELIVERED
    assert room.types() == ["message.delivered"]


async def test_five_missing_in_a_row_hold_the_queue_until_one_comes(room: Room, evidence: Evidence) -> None:
    for number in range(OVERDUE_MAX):
        await room.kept(partial(sent, whatsapp_id=f"M{number}"))
    evidence.watch(SESSION)

    await room.pass_time(650)
    held = room.types(), list(room.woken)
    await room.engine_says(ack("sent", "M2"))
    await room.pass_time(20)

    assert held == (["queue.held"], [SESSION])
    assert room.woken == [SESSION, SESSION]


async def test_what_was_sent_is_watched_without_being_asked_to(room: Room, evidence: Evidence) -> None:
    message = await room.kept(sent)
    told = event_of("message.sent", message, room.clock.now().at)

    await room.engine_says(told)
    await room.pass_time(700)

    assert evidence is not None
    assert room.engine.asked == [ANNA]


async def test_a_bug_is_not_the_end(room: Room, evidence: Evidence) -> None:
    message = await room.kept(unknown)
    room.engine.seen = cast("list[SeenMessage]", ["no sighting"])
    evidence.watch(SESSION)
    await room.pass_time(10)
    room.engine.seen = [replace(seen(room), at=message.times.ended_at)]

    await room.pass_time(60)

    assert await room.status(message) is S.SENT
