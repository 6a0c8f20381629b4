"""The one owner of a session's messages: it says which one may leave and when, and has it sent.

Theory. It does one thing at a time, and after each one looks at the database anew: what waits, sleeps, expires and is
in flight stands there, and nothing of it is kept here. So whoever changes the rows (a caller who cancels, a batch that
is paused, a person who opts out) needs to do no more than wake the queue. What it keeps is what no row tells: the pace,
the engine's own limits, and which requests of the gateway wait for a turn.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import QueueFullError, StorageFullError
from openwa_manager.domain.messaging.messages import FINAL, NO_BATCH, Hold, HoldCode, Kind, Message
from openwa_manager.domain.messaging.outcomes import SendCode, Uncertain, Verdict
from openwa_manager.domain.messaging.pacing import PacingProfile, SendLane
from openwa_manager.domain.messaging.retries import KEY_LIFE_S, is_same_memory
from openwa_manager.domain.ports import Instant
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.messaging.sending.attempts import Answer, asked_before
from openwa_manager.services.messaging.sending.choosing import (
    Ask,
    Choice,
    Grant,
    Rest,
    Send,
    Situation,
    choose,
    hold_of,
    turn_hold,
)
from openwa_manager.services.messaging.sending.expiry import settle_due
from openwa_manager.services.messaging.sending.link_watch import LinkWatch
from openwa_manager.services.messaging.sending.obstacles import Obstacles
from openwa_manager.services.messaging.sending.queue_parts import QueueParts
from openwa_manager.services.messaging.sending.reach import Reached
from openwa_manager.services.messaging.sending.sender import SendResult
from openwa_manager.services.messaging.sending.turns import Turn, TurnLine
from openwa_manager.store.database import Connection
from openwa_manager.store.messaging import holding, queues
from openwa_manager.store.messaging.messages import read_attempts
from openwa_manager.store.messaging.outlook import Outlook, read_interrupted, read_outlook

#: The wall clock may be set while a queue waits for a time of day: it looks again after so long.
_LOOK_S = 60.0
_DISK_RETRY_S = 5.0
_LINK_CHANGED_S = 0.1
#: How long a send takes, as long as none was measured: OpenWA types a text of 50 characters for that long.
SEND_S = 2.75


class MessageQueue:
    """The messages of one session; `run` sends them until it is cancelled or drained.

    `seen` is what it chose from when it looked last (None: it has not).
    """

    def __init__(self, session_id: SessionId, parts: QueueParts) -> None:
        self.session_id = session_id
        self._parts = parts
        self._lane = SendLane()
        self._obstacles = Obstacles(parts.clock)
        self._link = LinkWatch(session_id, parts.records, parts.clock, parts.reach.find, parts.ttl_s)
        self._turns = TurnLine()
        self.seen: Situation | None = None
        self._woken = asyncio.Event()
        self._is_draining = False
        self._working = asyncio.Lock()

    def wake(self) -> None:
        """Look at the messages now: something has changed."""
        self._woken.set()

    def note_status(self) -> None:
        """Look again: the session's status has changed, so what its engine said before counts no more."""
        self._obstacles.forget_refusal()
        self.wake()

    @property
    def is_closed(self) -> bool:
        """Tell whether it begins nothing new any more."""
        return self._is_draining

    def close(self) -> None:
        """Begin nothing new."""
        self._is_draining = True
        self.wake()

    async def drain(self) -> None:
        """Begin nothing new, and return once what is being sent has its outcome."""
        self.close()
        async with self._working:
            return

    async def run(self) -> None:
        """Send what may be sent until cancelled or drained."""
        await self._recover()
        due_boot_s: float | None = None
        while not self._is_draining:
            self._woken.clear()
            try:
                async with self._working:
                    rest_until_boot_s = await self._step(due_boot_s)
            except StorageFullError as error:
                self._obstacles.note_full_disk(str(error), _DISK_RETRY_S)
                rest_until_boot_s = self._parts.clock.now().boot_s + _DISK_RETRY_S
            await self._parts.clock.wait(self._woken, rest_until_boot_s)
            due_boot_s = None if self._woken.is_set() else rest_until_boot_s

    async def situation(self) -> Situation:
        """Return what the queue would choose from now."""
        parts, now = self._parts, self._parts.clock.now()
        row, outlook = await parts.records.read(partial(_look, session_id=self.session_id))
        return self._situation(row, outlook, now)

    def hold(self, *, is_first_contact: bool) -> Hold | None:
        """Return what held all its messages, or its first contacts, when it looked last; None: nothing did."""
        return None if self.seen is None else hold_of(self.seen, is_first_contact=is_first_contact)

    def estimate_at(self, ahead_count: int, *, is_first_contact: bool) -> float | None:
        """Return when a message goes that so many go before (wall time); None: nobody can tell.

        Where first contacts have a gap of their own, all before one are taken to be first contacts too.
        """
        if self.seen is None:
            return None
        held = hold_of(self.seen, is_first_contact=False)
        if held is not None and held.until is None:
            return None
        now, row = self._parts.clock.now(), self.seen.row
        left = self._parts.paces.first_contacts_left(row, now.at) if is_first_contact else None
        if left and left <= ahead_count:
            return None
        free_at = now.at + max(0.0, self._lane.may_send_boot_s(is_first_contact=is_first_contact) - now.boot_s)
        profile = self._parts.paces.of(row)
        gap = (profile.first_contact_gap if is_first_contact else None) or profile.gap
        begins_at = max(free_at, held.until if held and held.until else now.at)
        return begins_at + ahead_count * (gap.mean_s + (row.send_s or SEND_S))

    def _situation(self, row: queues.QueueRow, outlook: Outlook, now: Instant) -> Situation:
        parts = self._parts
        session = parts.reach.find(self.session_id)
        is_linked = parts.reach.reach(self.session_id) is not None
        return Situation(
            now=now,
            row=row,
            facts=self._obstacles.facts(row, session, parts.clock_guard.odd(), is_linked=is_linked),
            outlook=outlook,
            lane=self._lane,
            turns=self._turns.waiting,
            cap=parts.paces.cap(row, now.at),
        )

    @asynccontextmanager
    async def turn(self, within_s: float, *, is_first_contact: bool) -> AsyncIterator[Turn]:
        """Enter when a request of the gateway may send, leave once it has.

        Raises:
            QueueFullError: it is not its turn within `within_s`, or cannot become so.
        """
        now = self._parts.clock.now()
        turn = Turn(arrived_at=now.at, is_first_contact=is_first_contact, until_boot_s=now.boot_s + within_s)
        if self._soonest_s(turn, now) > within_s:
            raise self._refusal(turn)
        self._turns.join(turn)
        self.wake()
        try:
            await self._wait_for(turn)
        except BaseException:
            self._leave(turn, was_used=False)
            raise
        try:
            yield turn
        finally:
            self._leave(turn, was_used=turn.was_used)

    async def _wait_for(self, turn: Turn) -> None:
        await self._parts.clock.wait(turn.granted, turn.until_boot_s)
        if not turn.granted.is_set() or turn.refusal is not None:
            raise self._refusal(turn)

    def _leave(self, turn: Turn, *, was_used: bool) -> None:
        """End a turn, or the wait for it."""
        self._turns.leave(turn, was_used=was_used)
        self.wake()

    def _soonest_s(self, turn: Turn, now: Instant) -> float:
        """Return how long a request like this one waits at least if it comes now."""
        free_s = max(0.0, self._lane.may_send_boot_s(is_first_contact=turn.is_first_contact) - now.boot_s)
        return free_s + self._turns.count_ahead(turn) * self._parts.paces.gap.min_s

    def _refusal(self, turn: Turn) -> QueueFullError:
        now = self._parts.clock.now()
        if turn.refusal is not None:
            left_s = _LOOK_S if turn.refusal.until is None else turn.refusal.until - now.at
            return QueueFullError(f"nothing is sent now: {turn.refusal.detail}", max(1, math.ceil(left_s)))
        retry_after_s = max(1, math.ceil(self._soonest_s(turn, now)))
        detail = f"too many messages wait on this session; its next turn comes in about {retry_after_s} s"
        return QueueFullError(detail, retry_after_s)

    def _refuse_turns(self, situation: Situation) -> None:
        """Tell the requests of the gateway that wait in vain."""
        for turn in self._turns.waiting:
            hold = turn_hold(situation, is_first_contact=turn.is_first_contact)
            if hold is not None and situation.boot_s_until(hold) > turn.until_boot_s:
                self._turns.refuse(turn, hold)

    async def _recover(self) -> None:
        """Take up what a former daemon was sending: how that ended is not known. Begin the gap it may have been in."""
        parts = self._parts
        for message in await parts.records.read(partial(read_interrupted, session_id=self.session_id)):
            if message.message_id in parts.in_flight:
                continue
            verdict = Uncertain(code=SendCode.NO_ANSWER, detail="the daemon ended while the message was being sent")
            await parts.sender.record(message, Answer(verdict=verdict, send_s=0.0))
        row = await parts.records.read(partial(queues.read_queue, session_id=self.session_id))
        self._lane = _resumed(parts.paces.of(row), row, parts.clock.now())

    async def _step(self, due_boot_s: float | None) -> float | None:
        """Do the next thing; return until when nothing else is to be done (boot clock; None: until woken).

        `due_boot_s` is when it was to be done (None: nothing was, before it was woken).
        """
        parts, now = self._parts, self._parts.clock.now()
        row, outlook, reached = await self._look()
        if await settle_due(self.session_id, parts, outlook, now.at):
            return now.boot_s
        self.seen = self._situation(row, outlook, now)
        self._refuse_turns(self.seen)
        choice = choose(self.seen)
        if isinstance(choice, Send) and due_boot_s is not None:
            parts.tally.lateness.note(max(0.0, now.boot_s - due_boot_s))
        if isinstance(choice, Grant):
            await self._grant(choice.turn, parts.paces.of(row))
        elif isinstance(choice, Rest):
            return _rest_until(choice, now, may_change_untold=row.limit is not None)
        elif reached is None:  # its link has come since this step began
            return now.boot_s + _LINK_CHANGED_S
        else:
            await self._carry_out(choice, reached, parts.paces.of(row))
        return parts.clock.now().boot_s

    async def _look(self) -> tuple[queues.QueueRow, Outlook, Reached | None]:
        """Return what stands on disk, once what the link tells is there too, and the engine if it is linked."""
        while True:
            row, outlook = await self._parts.records.read(partial(_look, session_id=self.session_id))
            reached = self._parts.reach.reach(self.session_id)
            if not await self._link.note(row, is_linked=reached is not None):
                return row, outlook, reached

    async def _carry_out(self, choice: Send | Ask, reached: Reached, profile: PacingProfile) -> None:
        match choice:
            case Send(candidate=candidate):
                result = await self._parts.sender.send(candidate.message, reached)
                gap_min_s = candidate.batch.terms.gap_min_s if candidate.batch else 0.0
                await self._note(result, candidate.message, profile, gap_min_s)
            case Ask(message=message):
                await self._note(await self._ask(message, reached), message, profile)

    async def _grant(self, turn: Turn, profile: PacingProfile) -> None:
        """Let a request of the gateway send, and wait until it has."""
        await self._turns.grant(turn)
        if turn.was_used:
            self._begin_gap(profile, is_first_contact=turn.is_first_contact)
        if turn.verdict is not None:
            await self._note_verdict(turn.verdict, profile)

    async def _ask(self, message: Message, reached: Reached) -> SendResult:
        """Ask about a message in flight, or give it up: only the memory that took its key can answer."""
        attempts = await self._parts.records.read(partial(read_attempts, messages=[message]))
        mine = attempts.get(message.message_id, [])
        before, key = asked_before(mine), mine[-1].key if mine else None
        memories = self._parts.sender.memories
        is_known = before.memory is not None and is_same_memory(before.memory, await memories.ask(reached))
        if is_known and key is not None and self._parts.clock.now().at < before.first_at + KEY_LIFE_S:
            return await self._parts.sender.ask_again(message, reached, key)
        detail = "the engine that was asked to send it cannot be asked about it any more"
        verdict = Uncertain(code=SendCode.ASKED_IN_VAIN, detail=detail, is_lasting=True)
        return SendResult(ended=await self._parts.sender.record(message, Answer(verdict=verdict, send_s=0.0)))

    async def _note(self, result: SendResult, message: Message, profile: PacingProfile, gap_min_s: float = 0.0) -> None:
        """Begin the gap, remember what the engine said of itself, and let go of files that are needed no more."""
        if result.was_used:
            self._begin_gap(profile, is_first_contact=message.recipient.is_first_contact, gap_min_s=gap_min_s)
        if result.verdict is not None:
            await self._note_verdict(result.verdict, profile)
        ended = result.ended.message if result.ended else None
        if ended is not None and ended.status in FINAL and _has_own_file(ended):
            await self._parts.sender.release_media(ended)

    async def _note_verdict(self, verdict: Verdict, profile: PacingProfile) -> None:
        """Remember what a send said of the engine; a person is told when the queue stops for that."""
        if self._obstacles.note(verdict, profile):
            opened_at = self._parts.clock.now().at
            await self._parts.records.tell(partial(_tell_breaker, session_id=self.session_id, at=opened_at))

    def _begin_gap(self, profile: PacingProfile, *, is_first_contact: bool, gap_min_s: float = 0.0) -> None:
        parts, now_s = self._parts, self._parts.clock.now().boot_s
        first_contact_chance = parts.chance() if is_first_contact else None
        lane = self._lane.after_answer(profile, now_s, parts.chance(), first_contact_chance)
        self._lane = SendLane(
            free_boot_s=max(lane.free_boot_s, now_s + gap_min_s),
            first_contact_free_boot_s=lane.first_contact_free_boot_s,
        )


def _look(connection: Connection, session_id: SessionId) -> tuple[queues.QueueRow, Outlook]:
    return queues.read_queue(connection, session_id), read_outlook(connection, session_id)


def _has_own_file(message: Message) -> bool:
    return message.kind is not Kind.TEXT and message.origin.batch_id == NO_BATCH


def _tell_breaker(connection: Connection, session_id: SessionId, at: float) -> tuple[None, Sequence[Event]]:
    return None, [holding.held_event(connection, session_id, HoldCode.BREAKER_OPEN, at)]


def _rest_until(choice: Choice, now: Instant, *, may_change_untold: bool) -> float | None:
    """Return when to look again; that a restriction was lifted is written, and told to nobody."""
    until_boot_s = choice.until_boot_s if isinstance(choice, Rest) else None
    if until_boot_s is None:
        return now.boot_s + _LOOK_S if may_change_untold else None
    return min(until_boot_s, now.boot_s + _LOOK_S)


def _resumed(profile: PacingProfile, row: queues.QueueRow, now: Instant) -> SendLane:
    """Return the lane in the gaps that a former daemon may have been in: the longest, less what has passed."""

    def free(gap_max_s: float, at: float | None) -> float:
        return now.boot_s if at is None else now.boot_s + max(0.0, gap_max_s - max(0.0, now.at - at))

    first_gap_s = profile.first_contact_gap.max_s if profile.first_contact_gap else 0.0
    return SendLane(
        free_boot_s=free(profile.gap.max_s, row.sent_at),
        first_contact_free_boot_s=free(first_gap_s, row.first_contact_at),
    )
