"""Chooses what a session's queue does next: have a message sent, let a caller of the gateway send, ask, or rest.

A pure function of what stands on disk, what holds the queue and when its lane is free.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from openwa_manager.domain.messaging.batches import BatchState
from openwa_manager.domain.messaging.holds import QueueFacts, Until, first_contact_hold, session_hold
from openwa_manager.domain.messaging.messages import Hold, HoldCode, Message
from openwa_manager.domain.messaging.pacing import SendLane
from openwa_manager.domain.messaging.windows import Window, opens_at
from openwa_manager.domain.ports import Instant
from openwa_manager.domain.values import dataclass
from openwa_manager.services.messaging.sending.turns import Turn
from openwa_manager.store.messaging.outlook import Candidate, Outlook
from openwa_manager.store.messaging.queues import QueueRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Have this message sent."""

    candidate: Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Let this request of the gateway send."""

    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Ask what became of this message."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Do nothing until then (boot clock; None: until something changes)."""

    until_boot_s: float | None


Choice = Send | Grant | Ask | Rest


#: What holds no request of the gateway: its caller hears from the engine itself, or from the disk.
_LETS_CALLERS_PASS = frozenset({HoldCode.NOT_CONNECTED, HoldCode.ENGINE_LIMITED, HoldCode.STORAGE_FULL, HoldCode.CLOCK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a choice depends on.

    `turns` are those that requests of the gateway wait for, in order of arrival. `cap` is when more first contacts are
    allowed (None: now).
    """

    now: Instant
    row: QueueRow
    facts: QueueFacts
    outlook: Outlook
    lane: SendLane
    turns: Sequence[Turn] = ()
    cap: Until | None = None

    def boot_s_of(self, at: float) -> float:
        """Return the time of the boot clock at this wall time."""
        return self.now.boot_s + (at - self.now.at)

    def boot_s_until(self, hold: Hold | None) -> float:
        """Return until when a hold lasts by the boot clock; infinity: until something changes."""
        return math.inf if hold is None or hold.until is None else self.boot_s_of(hold.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    """Something that may be done, from `from_boot_s` on (infinity: not before something changes)."""

    rank: tuple[float, ...]
    from_boot_s: float
    choice: Choice


def choose(situation: Situation) -> Choice:
    """Return what to do now: of what may be done at once the best in rank, else the rest until something may."""
    now_s = situation.now.boot_s
    held = session_hold(situation.facts)
    if held is None:
        options = list(_options(situation))
    elif held.code in _LETS_CALLERS_PASS:
        options = list(_grants(situation))
    else:
        options = []
    ready = [option for option in options if option.from_boot_s <= now_s]
    if ready:
        return min(ready, key=lambda option: option.rank).choice
    return _rest(situation.boot_s_until(held), *(option.from_boot_s for option in options), *_alarms(situation))


def turn_hold(situation: Situation, *, is_first_contact: bool) -> Hold | None:
    """Return what holds a request of the gateway; None: nothing does."""
    held = session_hold(situation.facts)
    if held is not None and held.code not in _LETS_CALLERS_PASS:
        return held
    return _first_contact_hold(situation) if is_first_contact else None


def _options(situation: Situation) -> Iterator[_Option]:
    lane = situation.lane
    if situation.outlook.question is not None:
        at, message = situation.outlook.question
        from_s = max(lane.may_send_boot_s(is_first_contact=False), situation.boot_s_of(at))
        yield _Option(rank=(-1.0,), from_boot_s=from_s, choice=Ask(message=message))
    yield from _grants(situation)
    for candidate in situation.outlook.candidates:
        message = candidate.message
        hold = sub_hold(candidate, situation)
        rank = (message.origin.priority, message.times.created_at, message.seq)
        from_s = _from(situation, hold, message.recipient.is_first_contact)
        yield _Option(rank=rank, from_boot_s=from_s, choice=Send(candidate=candidate))


def _grants(situation: Situation) -> Iterator[_Option]:
    """Yield the first turn of those who write to somebody new, and of those who do not: these overtake the others."""
    for is_first in (False, True):
        turn = next((each for each in situation.turns if each.is_first_contact is is_first), None)
        if turn is not None:
            hold = _first_contact_hold(situation) if is_first else None
            yield _Option(rank=turn.rank, from_boot_s=_from(situation, hold, is_first), choice=Grant(turn=turn))


def _from(situation: Situation, hold: Hold | None, is_first_contact: bool) -> float:
    free_s = situation.lane.may_send_boot_s(is_first_contact=is_first_contact)
    if hold is None:
        return free_s
    return math.inf if hold.until is None else max(free_s, situation.boot_s_of(hold.until))


def sub_hold(candidate: Candidate, situation: Situation) -> Hold | None:
    """Return what holds the line of this message alone; None: nothing does."""
    batch = candidate.batch
    if batch is not None and batch.state is BatchState.PAUSED:
        return Hold(code=HoldCode.BATCH_PAUSED, detail=batch.paused_detail or "the batch is paused; resume it")
    if batch is not None and batch.state is BatchState.CANCELLED:
        return Hold(code=HoldCode.BATCH_PAUSED, detail="the batch is being called off")
    window = batch.terms.window if batch else None
    if window is not None and (opening := _opening(window, situation.now.at)) is not None:
        return opening
    return _first_contact_hold(situation) if candidate.message.recipient.is_first_contact else None


def hold_of(situation: Situation, *, is_first_contact: bool) -> Hold | None:
    """Return what holds all messages of the session, or else its first contacts if one is meant; None: nothing does."""
    return session_hold(situation.facts) or (_first_contact_hold(situation) if is_first_contact else None)


def _first_contact_hold(situation: Situation) -> Hold | None:
    return first_contact_hold(situation.facts, situation.cap)


@lru_cache(maxsize=64)  # of the batches that wait many may have the same window
def _opening(window: Window, at: float) -> Hold | None:
    opens = opens_at(window, at)
    if opens <= at:
        return None
    until = None if math.isinf(opens) else opens
    return Hold(code=HoldCode.QUIET_HOURS, detail=f"the batch sends from {window.first} to {window.last}", until=until)


#: What is due and could not be done, since the clock is not to be relied on, is looked at again after so long.
_AGAIN_S = 1.0


def _alarms(situation: Situation) -> Iterable[float]:
    """Return when something wakes or expires."""
    outlook = situation.outlook
    times = [situation.boot_s_of(at) for at in (outlook.due_at, outlook.expiry_at) if at is not None]
    return [max(time, situation.now.boot_s + _AGAIN_S) for time in times]


def _rest(*until_boot_s: float) -> Rest:
    soonest_s = min(until_boot_s, default=math.inf)
    return Rest(until_boot_s=None if math.isinf(soonest_s) else soonest_s)
