"""Looks for proof of what became of messages that may have been sent, or of which no acknowledgement came.

Each session with something to prove has a watch of its own, which ends when nothing is left. It is given what its
engine says that left by itself, and asks the engine for its list of a chat when that is due, one question a second at
most, and only while the session is connected.
"""

import asyncio
import dataclasses
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from typing import Protocol

import structlog

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.errors import EngineError, StorageFullError
from openwa_manager.domain.messaging.messages import Message, MessageId
from openwa_manager.domain.messaging.sightings import SeenMessage, ack_due_at, lookup_at, past_lookups
from openwa_manager.domain.ports import CanSend, Clock
from openwa_manager.domain.session.session import Launch, Session, SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.records import MessageRecords
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging.proofs import evidence
from openwa_manager.store.messaging.proofs.acks import settle_early_acks
from openwa_manager.store.messaging.proofs.evidence import Outstanding

_log = structlog.get_logger()

#: What an engine says that left is looked at together, once the answers to its sends are likely to be recorded.
_SEEN_DELAY_S = 2.0
#: How long it is kept for a message that turns out to be unproven, and how much of it.
_SEEN_KEPT_S, _SEEN_MAX = 300.0, 200
#: The pause between two questions, and how often a session is looked at whose engine cannot be asked, or that is held.
_ASKED_EVERY_S, _UNREACHED_S, _HELD_S = 1.0, 600.0, 10.0
#: The wall clock may be set: nothing is waited for longer than this without looking again.
_LOOK_MAX_S = 600.0
_AFTER_TROUBLE_S = 30.0


class Reachable(Protocol):
    """An engine that can be asked now, with its session and its launch."""

    @property
    def session(self) -> Session:
        """Return the session."""
        ...

    @property
    def launch(self) -> Launch:
        """Return its present launch."""
        ...

    @property
    def engine(self) -> CanSend:
        """Return its engine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParts:
    """What the watches work with.

    `reach` returns the engine of a session that is connected now (None: it is not); `wake` has a session's queue look
    at what holds it.
    """

    records: MessageRecords
    clock: Clock
    reach: Callable[[SessionId], Reachable | None]
    wake: Callable[[SessionId], None]


class Evidence:
    """All watches; whoever knows of something to prove says so by `watch`, `note_seen` or `note`."""

    def __init__(self, parts: EvidenceParts) -> None:
        self._parts = parts
        self._watches: dict[SessionId, _Watch] = {}
        self._new: asyncio.Queue[_Watch] = asyncio.Queue()

    def watch(self, session_id: SessionId) -> None:
        """Have the session looked at: it may have something to prove."""
        self._watch_of(session_id).flag.set()

    def note_seen(self, session_id: SessionId, seen: SeenMessage) -> None:
        """Take note of a message that the session's engine saw leave."""
        self._watch_of(session_id).note_seen(seen)

    def note(self, stored: Sequence[StoredEvent]) -> None:
        """Take note of what was told: messages that were sent, or may have been, and sessions that are connected."""
        for each in stored:
            session_id, type_ = each.event.session_id, each.event.type
            if session_id is None:
                continue
            is_ours = each.event.data.get("manager_message_id") is not None
            is_news = is_ours and (type_ == "message.sent" or each.event.data.get("status") == "unknown")
            known = self._watches.get(session_id)
            if known is not None and (type_ == "session.connected" or (is_ours and known.is_held) or is_news):
                known.note_change(is_urgent=type_ != "message.sent")
            elif is_news:
                self.watch(session_id)

    async def run(self) -> None:
        """Look for proof until cancelled."""
        now = self._parts.clock.now().at
        for session_id in await self._parts.records.read(partial(evidence.sessions_lacking_proof, now=now)):
            self.watch(session_id)
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._keep(await self._new.get()))

    async def _keep(self, watch: "_Watch") -> None:
        """Run a watch until nothing is left to prove; a bug in one leaves the others alone."""
        clock = self._parts.clock
        while not watch.is_done:
            try:
                await watch.run()
            except StorageFullError:
                await clock.sleep_until(clock.now().boot_s + _AFTER_TROUBLE_S)
            except Exception:  # noqa: BLE001 (the bulkhead)
                _log.exception("evidence_failed", session_id=watch.session_id)
                await clock.sleep_until(clock.now().boot_s + _AFTER_TROUBLE_S)
        del self._watches[watch.session_id]

    def _watch_of(self, session_id: SessionId) -> "_Watch":
        watch = self._watches.get(session_id)
        if watch is None:
            watch = self._watches[session_id] = _Watch(session_id, self._parts)
            self._new.put_nowait(watch)
        return watch


@dataclass(frozen=True, slots=True)
class _Seen:
    message: SeenMessage
    boot_s: float


@dataclasses.dataclass(slots=True)
class _Sightings:
    """What an engine says that left, the newest last: `new` has not been looked at yet."""

    new: deque[_Seen] = field(default_factory=lambda: deque(maxlen=_SEEN_MAX))
    kept: deque[_Seen] = field(default_factory=lambda: deque(maxlen=_SEEN_MAX))

    def due_boot_s(self) -> float | None:
        """Return when to look at them (boot clock); None: none is new."""
        return self.new[0].boot_s + _SEEN_DELAY_S if self.new else None

    def take(self, now_s: float, *, with_kept: bool) -> list[_Seen]:
        """Return those to be looked at now; what is too old is of no use any more."""
        taken = [*(self.kept if with_kept else ()), *self.new]
        if with_kept:
            self.kept.clear()
        self.new.clear()
        return [each for each in taken if now_s - each.boot_s < _SEEN_KEPT_S]


class _Watch:
    """One session's: what it has yet to prove, and what its engine said that left."""

    def __init__(self, session_id: SessionId, parts: EvidenceParts) -> None:
        self.session_id = session_id
        self.flag = asyncio.Event()
        self.is_held = False
        self.is_done = False
        self._parts = parts
        self._seen = _Sightings()
        self._looked_up: dict[MessageId, int] = {}

    def note_seen(self, seen: SeenMessage) -> None:
        """Take note of a message that left; it is looked at in a while, with others."""
        is_first = not self._seen.new
        self._seen.new.append(_Seen(seen, self._parts.clock.now().boot_s))
        if is_first:
            self.flag.set()

    def note_change(self, *, is_urgent: bool) -> None:
        """Look again now, if that is urgent; that one more message was sent can wait for the next look."""
        if is_urgent:
            self.flag.set()

    async def run(self) -> None:
        """Work until nothing is left to prove."""
        while True:
            self.flag.clear()
            now = self._parts.clock.now()
            outstanding = await self._parts.records.read(
                partial(evidence.read_outstanding, session_id=self.session_id, now=now.at)
            )
            self._note_hold(is_held=outstanding.is_held)
            await self._look_at_seen(has_unproven=bool(outstanding.unproven))
            wait_s = min((await self._ask(outstanding), await self._release(outstanding)), key=_or_later)
            due_s = self._seen.due_boot_s()
            if wait_s is None and due_s is None and not self.flag.is_set():
                self.is_done = True  # nothing is awaited until the watch is forgotten
                return
            until_s = self._parts.clock.now().boot_s + (_LOOK_MAX_S if wait_s is None else min(wait_s, _LOOK_MAX_S))
            await self._parts.clock.wait(self.flag, until_s if due_s is None else min(until_s, due_s))

    def _note_hold(self, *, is_held: bool) -> None:
        if self.is_held and not is_held:
            self._parts.wake(self.session_id)
        self.is_held = is_held

    async def _look_at_seen(self, *, has_unproven: bool) -> None:
        now, due_s = self._parts.clock.now(), self._seen.due_boot_s()
        if not has_unproven and (due_s is None or due_s > now.boot_s):
            return
        taken = {each.message.message_id: each for each in self._seen.take(now.boot_s, with_kept=has_unproven)}
        if not taken:
            return
        of_use, left = await self._parts.records.read(
            partial(
                evidence.read_of_use,
                session_id=self.session_id,
                seen=[each.message for each in taken.values()],
                now=now.at,
            )
        )
        self._seen.kept.extend(taken[each.message_id] for each in left)
        for each in of_use:
            await self._tell(partial(evidence.settle_seen, session_id=self.session_id, seen=each, at=now.at))

    async def _release(self, outstanding: Outstanding) -> float | None:
        """Tell early acknowledgements of which no message is known in time; return how long they are kept yet (s)."""
        until, now = outstanding.acks_kept_until, self._parts.clock.now().at
        if until is None:
            return None
        if until > now:
            return until - now
        while await self._tell(partial(settle_early_acks, session_id=self.session_id, message=None, at=now)):
            pass
        return _LOOK_MAX_S

    async def _ask(self, outstanding: Outstanding) -> float | None:
        """Ask what is due, once, and return how long nothing else is (s); None: nothing is left to ask."""
        now = self._parts.clock.now().at
        due = self._due(outstanding, now)
        waits_s = [_HELD_S] if outstanding.is_held else []
        if due is not None:
            at, message = due
            if at > now:
                waits_s.append(at - now)
            elif (reached := self._parts.reach(self.session_id)) is None:
                waits_s.append(_UNREACHED_S)
            else:
                await self._ask_for(message, reached)
                waits_s.append(_ASKED_EVERY_S)
        return min(waits_s, default=None)

    def _due(self, outstanding: Outstanding, now: float) -> tuple[float, Message] | None:
        """Return which message the engine is to be asked for next, and when (wall time)."""
        due: list[tuple[float, Message]] = []
        current = {each.message.message_id for each in outstanding.unproven}
        self._looked_up = {key: count for key, count in self._looked_up.items() if key in current}
        for each in outstanding.unproven:
            count = self._looked_up.setdefault(each.message.message_id, past_lookups(each.since, now))
            at = lookup_at(each.since, count)
            if at is not None:
                due.append((at, each.message))
        waiting = outstanding.unacknowledged
        if waiting is not None and waiting.times.sent_at is not None:
            reached = self._parts.reach(self.session_id)
            due.append((ack_due_at(waiting.times.sent_at, reached.session.connected_at if reached else None), waiting))
        return min(due, key=lambda each: each[0], default=None)

    async def _ask_for(self, message: Message, reached: Reachable) -> None:
        """Ask the engine for its list of the message's chat, and take in what that proves; an error proves nothing."""
        is_unproven = message.message_id in self._looked_up
        if is_unproven:
            self._looked_up[message.message_id] += 1
        try:
            listed = await reached.engine.find_sent(reached.session, reached.launch, message.recipient.chat_id)
        except EngineError as error:
            _log.info("evidence_not_told", session_id=self.session_id, code=error.code)
            listed = ()
        at = self._parts.clock.now().at
        about = partial(evidence.settle_listed, message_id=message.message_id, listed=listed, at=at)
        if is_unproven:
            await self._tell(about)
            return
        told = await self._tell(lambda connection: [*about(connection), *_overdue(connection, message, at)])
        if any(each.type == "queue.held" for each in told):
            self._parts.wake(self.session_id)

    async def _tell(self, function: Callable[[Connection], Sequence[Event]]) -> Sequence[Event]:
        def write(connection: Connection) -> tuple[Sequence[Event], Sequence[Event]]:
            events = function(connection)
            return events, events

        return await self._parts.records.tell(write)


def _or_later(wait_s: float | None) -> float:
    return math.inf if wait_s is None else wait_s


def _overdue(connection: Connection, message: Message, at: float) -> Sequence[Event]:
    return evidence.mark_overdue(connection, message.message_id, at)
