"""Lives of one daemon's queue over one database: each ends at a moment of the test's choice, as `kill -9` ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TypeVar

from openwa_manager.domain.messaging.messages import Body, Kind, Message
from openwa_manager.domain.messaging.outcomes import Answered, NoAnswer, Outgoing, SendAnswer
from openwa_manager.domain.messaging.retries import RetryPolicy
from openwa_manager.domain.session.session import Launch, Session, SessionId
from openwa_manager.services.changes import Changes
from openwa_manager.services.messaging.acceptance.drafts import Asked, Draft
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from openwa_manager.services.messaging.acceptance.rules import Rules
from openwa_manager.services.messaging.acceptance.singles import Gate, SingleAcceptance
from openwa_manager.services.messaging.records import MessageRecords, Telling
from openwa_manager.services.messaging.sending.attempts import Attempts
from openwa_manager.services.messaging.sending.clock_guard import ClockGuard
from openwa_manager.services.messaging.sending.queue_parts import QueueParts
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.messaging.sending.sender import MessageSender
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.messaging.messages import MessageFilter, read_messages
from openwa_manager.store.sessions.registry import save_session
from tests.fakes.clock import FakeClock, settle
from tests.services.messaging.sending.queue_setup import ScriptedEngine, connected
from tests.services.messaging.sending.resting import PACES, no_media
from tests.store.messaging.samples import SESSION

T = TypeVar("T")

_QUIET_TURNS = 3
#: So that no life lasts long.
_RETRIES = RetryPolicy(pauses_s=(1.0, 2.0, 4.0))


class Place(Enum):
    """Where a life ends."""

    BEFORE_COMMIT = "before a commit"
    AFTER_COMMIT = "after a commit"
    BEFORE_SEND = "before the engine has a request"
    AFTER_SEND = "before its answer"


@dataclass
class Cut:
    """Ends a life at the `number`-th time (from 1) that it comes to this place; 0: never."""

    place: Place = Place.AFTER_COMMIT
    number: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    async def at(self, place: Place) -> None:
        """Return, or never: this is where the life ends, or it has ended."""
        if place is self.place:
            self.seen += 1
            if self.seen == self.number:
                self.reached.set()
        if self.reached.is_set():
            await asyncio.Event().wait()


class CutRecords(MessageRecords):
    """Records that end with the life."""

    cut = Cut()
    call_count = 0

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Read, and count it."""
        self.call_count += 1
        return await super().read(function)

    async def tell(self, function: Telling[T]) -> T:
        """Write, unless the life ends here."""
        self.call_count += 1
        await self.cut.at(Place.BEFORE_COMMIT)
        result = await super().tell(function)
        await self.cut.at(Place.AFTER_COMMIT)
        return result


@dataclass(slots=True, kw_only=True)
class TrueEngine(ScriptedEngine):
    """Keeps books of what WhatsApp got: the texts; it outlives the daemon, and remembers keys if its version does.

    A text that begins with `lost` is sent and never answered for, `busy` is refused once, `no` is refused for good.
    """

    cut: Cut = field(default_factory=Cut)
    books: list[tuple[float, str]] = field(default_factory=list)
    keys: dict[str, str | None] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    async def send(self, session: Session, launch: Launch, outgoing: Outgoing, key: str | None) -> SendAnswer:
        """Send it to WhatsApp, once for each key where keys are kept."""
        del session, launch
        await self.cut.at(Place.BEFORE_SEND)
        answer = self._answer(outgoing.text, key if self.version >= "0.25" else None)
        await self.cut.at(Place.AFTER_SEND)
        return answer

    def _answer(self, text: str, key: str | None) -> SendAnswer:
        if key is not None and key in self.keys:
            known = self.keys[key]
            if known is None:
                return Answered(http_status=409, code="IDEMPOTENCY_OUTCOME_UNKNOWN")
            return Answered(http_status=201, message_id=known)
        if text.startswith("no"):
            return Answered(http_status=400, text="no such chat")
        if text.startswith("busy") and text not in self.refused:
            self.refused.add(text)
            return Answered(http_status=503, retry_after_s=2.0)
        self.books.append((self.clock.now().at, text))
        message_id = f"3EB0{len(self.books):04}"
        if key is not None:
            self.keys[key] = message_id
        return (
            NoAnswer(detail="the line broke")
            if text.startswith("lost")
            else Answered(http_status=201, message_id=message_id)
        )


@dataclass
class Life:
    """A daemon's queue while it lives."""

    clock: FakeClock
    database: Database
    records: CutRecords
    tasks: asyncio.TaskGroup
    singles: SingleAcceptance
    cut: Cut

    async def hand_over(self, texts: Sequence[str]) -> None:
        """Hand messages over under a key each, until all are taken or the life ends."""
        calling = self.tasks.create_task(self._call(texts))
        while not (calling.done() or self.cut.reached.is_set()):
            await self._idle()
        calling.cancel()

    async def _call(self, texts: Sequence[str]) -> None:
        for text in texts:
            draft = Draft(to="+85291234567", body=Body(kind=Kind.TEXT, text=text), reference=text)
            await self.singles.accept(connected(), draft, Asked(key=text, body_sha256=text))

    async def pass_s(self, seconds: float) -> None:
        """Let time pass, with all that follows, until the life ends."""
        for _ in range(round(seconds / 0.5)):
            await self._idle()
            if self.cut.reached.is_set():
                return
            await self.clock.advance(0.5)

    async def messages(self) -> list[Message]:
        """Return all messages on disk."""
        read = partial(read_messages, session_id=SESSION, wanted=MessageFilter(), before_seq=None, limit=100)
        return list(await self.database.read(read))

    async def _idle(self) -> None:
        """Return once nothing has happened for some turns of the database, or the life has ended."""
        quiet, before = 0, -1
        while quiet < _QUIET_TURNS and not self.cut.reached.is_set():
            await self.database.write(lambda _: None)
            await self.database.read(lambda _: None)
            await settle()
            quiet = quiet + 1 if self.records.call_count == before else 0
            before = self.records.call_count


@asynccontextmanager
async def life(path: Path, engine: TrueEngine, cut: Cut) -> AsyncIterator[Life]:
    """Run a daemon's queue over the database at `path`, with an engine that outlives it."""
    clock, changes = engine.clock, Changes()
    engine.cut = cut
    sessions: dict[SessionId, Session] = {SESSION: connected()}

    async def check(message: Message) -> bool | None:
        del message
        return True

    async with Database(path) as database:
        await database.write(partial(save_session, session=connected(), steps=(), events=()))
        records = CutRecords(database, clock, changes, lambda _: None)
        records.cut = cut
        attempts = Attempts(records, clock, _RETRIES, lambda at: PACES.day(at).isoformat())
        queues = Queues(
            QueueParts(
                records=records,
                clock=clock,
                chance=lambda: 0.0,
                reach=EngineReach(sessions.get, {"scripted": engine}, lambda _: Path("/nowhere")),
                sender=MessageSender(records, attempts, clock, no_media(path.with_name("media"), clock), check),
                paces=PACES,
                clock_guard=ClockGuard(clock),
                ttl_s=86_400.0,
            )
        )
        singles = SingleAcceptance(_gate(records, clock, queues.wake))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(queues.run())
            try:
                yield Life(clock=clock, database=database, records=records, tasks=tasks, singles=singles, cut=cut)
            finally:
                running.cancel()


def _gate(records: MessageRecords, clock: FakeClock, wake: Callable[[SessionId], None]) -> Gate:
    return Gate(
        records=records,
        clock=clock,
        rules=Rules(),
        find_suppressed=lambda *_: (),
        check_first_contact=lambda *_: None,
        wake=wake,
        note=lambda _: None,
        refusals=Refusals(clock),
    )
