"""Queues over a real database, with a clock and an engine that do as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.messaging.messages import Hold, Message, MessageId, MessageStatus
from openwa_manager.domain.messaging.outcomes import Answered, Outgoing, SendAnswer
from openwa_manager.domain.messaging.pacing import Gap, ProfileName, profile_of
from openwa_manager.domain.messaging.retries import EngineMemory, RetryPolicy
from openwa_manager.domain.messaging.sightings import ContactFound, SeenMessage
from openwa_manager.domain.session.reasons import ReasonCode, Restriction
from openwa_manager.domain.session.session import (
    Identity,
    Launch,
    LaunchId,
    LinkState,
    ProcessState,
    Session,
    SessionId,
    Spec,
)
from openwa_manager.metrics.tallies import SendTally
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.records import MessageRecords, Telling
from openwa_manager.services.messaging.sending.attempts import Attempts
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.queue_parts import Paces, QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import CheckNumber, MessageSender
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging.messages import NewMessage, find_message
from openwa_manager.store.sessions.registry import save_session
from tests.fakes.clock import FakeClock, settle
from tests.services.messaging.sending.resting import no_media
from tests.store.messaging.samples import SESSION, kept

T = TypeVar("T")
NOW = 1_800_000_000.0  # where FakeClock begins
LAUNCH = Launch(
    launch_id=LaunchId("l"),
    number=1,
    port=28100,
    secret="s",
    cause=ReasonCode.REQUESTED,
    launched_at=NOW,
    identity=Identity(boot_id="b", pid=4711, started=1),
)


def connected(session_id: SessionId = SESSION) -> Session:
    """Return a session whose engine runs and is linked."""
    return Session(
        session_id=session_id,
        spec=Spec(user_id="1", engine="scripted"),
        engine_key="k",
        created_at=NOW,
        updated_at=NOW,
        process=ProcessState.RUNNING,
        link=LinkState.CONNECTED,
        launch=LAUNCH,
        phone_number="85200000000",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as the engine saw it."""

    at: float
    session_id: SessionId
    chat_id: str
    text: str
    key: str | None


@dataclass(slots=True, kw_only=True)
class ScriptedEngine:
    """Answers as `answer` says, after `send_s` of the test's clock; `version` decides whether it keeps keys."""

    clock: FakeClock
    answer: Callable[[Asked], SendAnswer] | None = None
    send_s: float = 0.0
    version: str = "0.23.0"
    restriction: Restriction | None = None
    asked: list[Asked] = field(default_factory=list)
    in_flight: int = 0
    in_flight_max: int = 0

    async def send(self, session: Session, launch: Launch, outgoing: Outgoing, key: str | None) -> SendAnswer:
        del launch
        asked = Asked(
            at=self.clock.now().at,
            session_id=session.session_id,
            chat_id=outgoing.chat_id,
            text=outgoing.text,
            key=key,
        )
        self.asked.append(asked)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        if self.send_s:
            await self.clock.sleep_until(self.clock.now().boot_s + self.send_s)
        self.in_flight -= 1
        if self.answer is None:
            return Answered(http_status=201, message_id=f"3EB0{len(self.asked):04}")
        return self.answer(asked)

    async def check_contact(self, session: Session, launch: Launch, digits: str) -> ContactFound:
        del session, launch
        return ContactFound(exists=True, chat_id=f"{digits}@c.us")

    async def list_chats(self, session: Session, launch: Launch) -> Sequence[str]:
        del session, launch
        return ()

    async def find_sent(self, session: Session, launch: Launch, chat_id: str) -> Sequence[SeenMessage]:
        del session, launch, chat_id
        return ()

    async def read_restriction(self, session: Session, launch: Launch) -> Restriction | None:
        del session, launch
        return self.restriction

    async def memory(self, session: Session, launch: Launch, directory: Path) -> EngineMemory:
        del session, launch, directory
        return EngineMemory(version=self.version, inner_id="inner", data_id="data")


#: So many turns of the database without a question mean that nobody is about to ask one.
QUIET_TURNS = 4


class CountingRecords(MessageRecords):
    """Counts what is asked of the database, and what of it has no answer yet."""

    asked_count = 0
    in_flight_count = 0

    async def tell(self, function: Telling[T]) -> T:
        with self._counted():
            return await super().tell(function)

    async def read(self, function: Callable[[Connection], T]) -> T:
        with self._counted():
            return await super().read(function)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.asked_count += 1
        self.in_flight_count += 1
        try:
            yield
        finally:
            self.in_flight_count -= 1


@dataclass(slots=True, kw_only=True)
class Rig:
    """Queues that run, and what they work with."""

    clock: FakeClock
    database: Database
    records: CountingRecords
    engine: ScriptedEngine
    parts: QueueParts
    queues: Queues
    sessions: dict[SessionId, Session]
    heard: list[StoredEvent]
    exists: dict[str, bool | None] = field(default_factory=dict)
    tally: SendTally = field(default_factory=SendTally)

    async def keep(self, new: NewMessage) -> Message:
        """Keep a message and wake its queue."""
        message = await self.records.write(lambda connection: kept(connection, new))
        self.queues.wake(new.origin.session_id)
        await self.idle()
        return message

    async def hand_over(self, new: NewMessage, hold: Hold | None = None) -> None:
        """Keep a message, which may be held, and let its queue hear of it when it does."""
        await self.records.write(lambda connection: kept(connection, replace(new, hold=hold)))
        self.queues.wake(new.origin.session_id)

    async def find(self, message_id: MessageId) -> Message:
        """Return a message as it is on disk."""
        found = await self.records.read(partial(find_message, message_id=message_id))
        assert found is not None
        return found

    async def until(self, message_id: MessageId, status: MessageStatus) -> Message:
        """Return the message once it is in that state and that is told, without letting time pass."""
        for _ in range(20):
            await self.idle()
            found = await self.find(message_id)
            if found.status is status:
                return found
        raise AssertionError(found)

    async def idle(self) -> None:
        """Return once no queue has anything to do at this moment: none has asked the database for a while."""
        quiet_count = 0
        while quiet_count < QUIET_TURNS:
            asked_before = self.records.asked_count
            await self.database.write(lambda _: None)
            await self.database.read(lambda _: None)
            await settle()
            is_quiet = self.records.asked_count == asked_before and not self.records.in_flight_count
            quiet_count = quiet_count + 1 if is_quiet else 0

    async def pass_s(self, seconds: float, step_s: float = 0.5) -> None:
        """Let time pass in small steps, each with all that follows from it."""
        for _ in range(round(seconds / step_s)):
            await self.clock.advance(step_s)
            await self.idle()

    def told(self) -> list[str]:
        """Return the types of the events told so far."""
        return [each.event.type for each in self.heard]

    def change(self, **changes: object) -> None:
        """Change the session, as its supervisor would."""
        self.sessions[SESSION] = replace(self.sessions[SESSION], **changes)  # type: ignore[arg-type]


def _checking(exists: dict[str, bool | None]) -> CheckNumber:
    async def check(message: Message) -> bool | None:
        return exists.get(message.recipient.chat_id, True)

    return check


@asynccontextmanager
async def rig(
    tmp_path: Path, *, gap_s: float = 1.5, profile: ProfileName = ProfileName.GUIDE, runs: bool = True
) -> AsyncIterator[Rig]:
    """Run queues over a new database; every gap lasts `gap_s`. Without `runs` the test runs them itself."""
    clock, changes, heard = FakeClock(), Changes(), list[StoredEvent]()
    paces = _paces(gap_s, profile)
    engine, sessions, exists = ScriptedEngine(clock=clock), {SESSION: connected()}, dict[str, bool | None]()
    tally = SendTally()
    changes.events_stored.subscribe(heard.extend)

    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(save_session, session=connected(), steps=(), events=()))
        records = CountingRecords(database, clock, changes, lambda _: None)
        attempts = Attempts(records, clock, RetryPolicy(), lambda at: paces.day(at).isoformat(), tally)
        parts = QueueParts(
            records=records,
            clock=clock,
            chance=lambda: 0.5,
            reach=EngineReach(sessions.get, {"scripted": engine}, lambda _: Path("/nowhere")),
            sender=MessageSender(records, attempts, clock, no_media(tmp_path / "media", clock), _checking(exists)),
            paces=paces,
            clock_guard=ClockGuard(clock),
            ttl_s=86_400.0,
            tally=tally,
        )
        made = Rig(
            clock=clock,
            database=database,
            records=records,
            engine=engine,
            parts=parts,
            queues=Queues(parts),
            sessions=sessions,
            heard=heard,
            exists=exists,
            tally=tally,
        )
        changes.events_stored.subscribe(made.queues.note)
        async with running(made) if runs else nullcontext():
            yield made


def _paces(gap_s: float, profile: ProfileName) -> Paces:
    gap = Gap(min_s=gap_s, max_s=gap_s)
    return Paces(profiles={each: profile_of(each, gap) for each in ProfileName}, default=profile, zone=ZoneInfo("UTC"))


@asynccontextmanager
async def running(made: Rig) -> AsyncIterator[None]:
    """Run the queues while this is entered; leaving it is as if the daemon were killed."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(made.queues.run())
        try:
            yield
        finally:
            task.cancel()
