"""Whom a number knows, and who wants no more messages."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Event
from openwa_manager.services.messaging.known_chats import KnownChats
from openwa_manager.services.messaging.opt_outs import OptOuts
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import contacts
from openwa_manager.store.messaging.people import chats, suppressions
from tests.services.messaging.evidence_setup import ANNA, Room, room_in, running, session_of
from tests.store.messaging.samples import SESSION, kept


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with room_in(tmp_path) as opened:
        yield opened


async def test_whom_a_number_knows_is_asked_once_it_is_linked(room: Room) -> None:
    learning = KnownChats(room.records, room.clock, room.reach, lambda: [session_of(SESSION)])
    room.subscribe(learning.note)
    room.engine.chats = [ANNA, "120363@g.us", "what?", "777:3@lid"]
    async with running(learning.run):
        await room.pass_time(2)
        early = list(room.engine.asked)
        await room.records.write(partial(_link, number="85211112222"))
        await room.pass_time(200)
        await room.engine_says(Event(type="session.connected", occurred_at=1.0, session_id=SESSION))
        await room.pass_time(200)

    assert early == []
    assert room.engine.asked == ["chats"]
    known = [
        await room.records.read(partial(contacts.is_known, session_id=SESSION, chat_id=chat_id))
        for chat_id in (ANNA, "777@lid", "120363@g.us")
    ]
    assert known == [True, True, False]


async def test_an_engine_that_does_not_tell_is_asked_again(room: Room) -> None:
    learning = KnownChats(room.records, room.clock, room.reach, lambda: [session_of(SESSION)])
    await room.records.write(partial(_link, number="85211112222"))
    room.engine.chats = None
    async with running(learning.run):
        await room.pass_time(10)
        failed = len(room.engine.asked)
        room.engine.chats = []
        await room.pass_time(300)

    assert failed == 2
    assert len(room.engine.asked) == 4
    assert await room.records.read(partial(chats.is_list_known, session_id=SESSION))


async def test_a_large_opt_out_is_finished_in_slices(room: Room) -> None:
    def many(connection: Connection) -> None:
        for _ in range(2 * suppressions.CANCELLED_MAX + 1):
            kept(connection)

    await room.records.write(many)
    finishing = OptOuts(room.records, room.clock)
    room.subscribe(finishing.note)
    async with running(finishing.run):
        data = {"from": ANNA, "keyword": "STOP"}
        await room.engine_says(Event(type="contact.opted_out", occurred_at=1.0, session_id=SESSION, data=data))
        await room.pass_time(1)

    assert room.types().count("message.failed") == 2 * suppressions.CANCELLED_MAX + 1


def _link(connection: Connection, number: str) -> None:
    connection.execute("INSERT INTO queue (session_id, linked_number) VALUES (?, ?)", (SESSION, number))
