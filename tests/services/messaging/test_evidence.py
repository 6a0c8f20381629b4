"""Looking for proof, by a clock that the test moves, against an engine that answers as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.messaging.messages import Attempt, AttemptOutcome, Message, MessageStatus, Move
from openwa_manager.domain.messaging.sightings import LOOKUPS_S, OVERDUE_MAX, SeenMessage, body_sha256
from openwa_manager.domain.ports import CanSend
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Launch, LaunchId, LinkState, Session, SessionId, Spec
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.evidence import Evidence, EvidenceParts
from openwa_manager.services.messaging.known_chats import KnownChats
from openwa_manager.services.messaging.opt_outs import OptOuts
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging import contacts
from openwa_manager.store.messaging.messages import find_message
from openwa_manager.store.messaging.moves import AttemptEnd, begin_attempt, end_attempt, event_of, move
from openwa_manager.store.messaging.people import chats, suppressions
from openwa_manager.store.sessions.registry import save_session
from tests.fakes.clock import FakeClock, settle
from tests.store.messaging.samples import SESSION, kept, new_message
from tests.store.messaging.test_acks import ack

S = MessageStatus
ANNA = "85212345678@c.us"


class ListingEngine:
    """An engine that knows what the test puts into `seen` and `chats`; None: it does not answer."""

    def __init__(self) -> None:
        self.seen: list[SeenMessage] | None = []
        self.chats: list[str] | None = []
        self.asked: list[str] = []

    async def find_sent(self, session: Session, launch: Launch, chat_id: str) -> Sequence[SeenMessage]:
        del session, launch
        await asyncio.sleep(0)
        self.asked.append(chat_id)
        if self.seen is None:
            raise EngineError("it hangs")
        return self.seen

    async def list_chats(self, session: Session, launch: Launch) -> Sequence[str]:
        del session, launch
        await asyncio.sleep(0)
        self.asked.append("chats")
        if self.chats is None:
            raise EngineError("it hangs")
        return self.chats


@dataclass(frozen=True)
class Reached:
    """A connected session as the services see it."""

    session: Session
    launch: Launch
    engine: CanSend


@dataclass
class Room:
    """What the services under test work with."""

    records: MessageRecords
    clock: FakeClock
    engine: ListingEngine
    subscribe: Callable[[Callable[[Sequence[StoredEvent]], None]], None]
    is_connected: bool = True
    woken: list[SessionId] = field(default_factory=list)
    told: list[StoredEvent] = field(default_factory=list)

    def reach(self, session_id: SessionId) -> Reached | None:
        launch = Launch(
            launch_id=LaunchId("l"), number=1, port=1, secret="s", cause=ReasonCode.REQUESTED, launched_at=1.0
        )
        reached = Reached(session=session_of(session_id), launch=launch, engine=cast("CanSend", self.engine))
        return reached if self.is_connected else None

    async def kept(self, make: Callable[[Connection, float], Message]) -> Message:
        """Return a message made at this moment, telling nobody."""
        return await self.records.write(lambda connection: make(connection, self.clock.now().at))

    async def engine_says(self, *events: Event) -> None:
        """Take events in as a supervisor does."""
        await self.records.tell(lambda _: (None, events))

    async def message(self, message: Message) -> Message:
        found = await self.records.read(partial(find_message, message_id=message.message_id))
        assert found is not None
        return found

    async def status(self, message: Message) -> MessageStatus:
        return (await self.message(message)).status

    def types(self) -> list[str]:
        return [each.event.type for each in self.told]

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, from one moment that somebody waits for to the next, each with all that follows from it."""
        end_s = self.clock.now().boot_s + seconds
        await self._rest()
        while (due := self.clock.deadlines) and due[0] <= end_s:
            await self.clock.advance(max(0.0, due[0] - self.clock.now().boot_s))
            await self._rest()
        await self.clock.advance(end_s - self.clock.now().boot_s)
        await self._rest()

    async def _rest(self) -> None:
        """Let everything come to rest that needs no time: a few rounds of writes and reads."""
        for _ in range(12):
            await settle()
            await self.records.write(lambda _: None)
            await self.records.read(lambda _: None)


def session_of(session_id: SessionId) -> Session:
    return Session(
        session_id=session_id,
        spec=Spec(user_id="1", engine="simulator"),
        engine_key="k",
        link=LinkState.CONNECTED,
        phone_number="85211112222",
        created_at=1.0,
        updated_at=1.0,
    )


@asynccontextmanager
async def room_in(folder: Path) -> AsyncIterator[Room]:
    changes, clock = Changes(), FakeClock()
    async with Database(folder / "manager.db") as database:
        await database.write(partial(save_session, session=session_of(SESSION), steps=[], events=[]))
        room = Room(
            MessageRecords(database, clock, changes, lambda _: None),
            clock,
            ListingEngine(),
            changes.events_stored.subscribe,
        )
        changes.events_stored.subscribe(room.told.extend)
        yield room


@asynccontextmanager
async def running(run: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run())
        try:
            yield
        finally:
            task.cancel()


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
