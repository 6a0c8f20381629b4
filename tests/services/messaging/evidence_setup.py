"""What looks for proof, on a real database and by a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.messaging.messages import Message, MessageStatus
from openwa_manager.domain.messaging.sightings import SeenMessage
from openwa_manager.domain.ports import CanSend
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Launch, LaunchId, LinkState, Session, SessionId, Spec
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging.messages import find_message
from openwa_manager.store.sessions.registry import save_session
from tests.fakes.clock import FakeClock, settle
from tests.store.messaging.samples import SESSION

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
