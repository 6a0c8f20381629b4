"""When the messages that wait will have been sent, if nothing happens: gaps, first contacts, caps by day, and windows.

The lane is played with mean gaps, but not message by message: a run of messages to known people, or of first contacts,
is one step up to whatever ends it first (a window, a day, the next first contact, the last message). So ten thousand
messages are some hundreds of steps, and what comes out is what a lane does that draws each gap at its mean.
"""

import math
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from openwa_manager.domain.messaging.pacing import PacingProfile, day_number, first_contacts_left
from openwa_manager.domain.messaging.windows import Window, closes_at, opens_at
from openwa_manager.domain.values import dataclass
from openwa_manager.domain.zones import next_day_at

#: Into how many slices a batch is cut to tell where in it the first contacts are.
_SLICES = 50
#: What takes longer than ten years is told as never.
_HORIZON_S = 10 * 366 * 86_400.0
#: What a send and its gap take at least, so that every step goes on.
_CYCLE_MIN_S = 0.001
#: How long OpenWA types before it sends, by its settings' defaults.
_TYPING_S = 0.5
_TYPING_S_PER_CHAR = 0.045
_TYPING_MAX_S = 5.0


def typing_s(char_count: int) -> float:
    """Return how long a send takes by OpenWA's typing, which is told as long as nothing was measured."""
    return min(_TYPING_MAX_S, _TYPING_S + _TYPING_S_PER_CHAR * char_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Messages that wait one after the other, first contacts spread evenly among them; all of them of one batch.

    They are sent in `window` (None: at any hour), and not before wall time `not_before_at`.
    """

    known: int
    first_contacts: int = 0
    window: Window | None = None
    not_before_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOutlook:
    """What a lane is like: free from wall time `starts_at` on, days as in `zone`, linked to its number at `linked_at`.

    `first_contacts_today` were sent already on the day of `starts_at`; `first_contact_free_at` is when the lane may
    send the next.
    """

    starts_at: float
    seconds_per_send: float
    profile: PacingProfile
    zone: ZoneInfo
    linked_at: float
    first_contacts_today: int = 0
    first_contact_free_at: float = 0.0


def works_of(
    is_first_contact: Sequence[bool], *, window: Window | None = None, not_before_at: float = 0.0
) -> tuple[Work, ...]:
    """Return the work of a batch whose messages, in their order, are first contacts or not."""
    size = max(1, math.ceil(len(is_first_contact) / _SLICES))
    slices = (is_first_contact[first : first + size] for first in range(0, len(is_first_contact), size))
    return tuple(
        Work(known=len(each) - sum(each), first_contacts=sum(each), window=window, not_before_at=not_before_at)
        for each in slices
    )


def finish_times(works: Sequence[Work], outlook: LaneOutlook) -> tuple[float, ...]:
    """Return when the last message of each work is answered (wall time), the earlier works going first.

    A work without messages is finished at `starts_at`; one that never is, or not within ten years, at infinity.
    """
    hours = {(work.window, work.not_before_at): _Hours(work) for work in works}
    queues = [_Queue(place, work, outlook, hours[work.window, work.not_before_at]) for place, work in enumerate(works)]
    waiting = [queue for queue in queues if queue.has_any]
    lane = _PlayedLane(outlook, tuple(hours.values()))
    while waiting and lane.free_at <= outlook.starts_at + _HORIZON_S:
        served = lane.step(waiting)
        if served is not None and not served.has_any:
            waiting.remove(served)
    return tuple(math.inf if queue.has_any else queue.finished_at for queue in queues)


def batch_finish_at(ahead: Sequence[Work], batch: Sequence[Work], outlook: LaneOutlook) -> float:
    """Return when the last message of a batch is answered that stands behind other work.

    That need not be one of its last slice: first contacts are sent later than the known people behind them.
    """
    return max(finish_times((*ahead, *batch), outlook)[len(ahead) :], default=outlook.starts_at)


class _Hours:
    """When work with one window may be sent; it is asked for later and later moments."""

    def __init__(self, work: Work) -> None:
        self.closes_at = -math.inf
        self._opens_at = -math.inf
        self._window = work.window
        self._not_before_at = work.not_before_at

    def opens_at(self, at: float) -> float:
        """Return the first moment from `at` on at which it may be sent; `closes_at` is when that ends."""
        if at >= self.closes_at:
            begins = max(at, self._not_before_at)
            self._opens_at = opens_at(self._window, begins)
            self.closes_at = closes_at(self._window, begins)
        return max(at, self._opens_at)


class _Queue:
    """What is left of one work; the least `place` is the first in the order of the lane."""

    def __init__(self, place: int, work: Work, outlook: LaneOutlook, hours: _Hours) -> None:
        paces_all_alike = outlook.profile.first_contact_gap is None and not outlook.profile.first_contact_caps
        self.place = place
        self.hours = hours
        self.first_contacts = 0 if paces_all_alike else work.first_contacts
        self.known = work.known + work.first_contacts - self.first_contacts
        self.finished_at = outlook.starts_at
        self._known_per_first = self.known / max(1, self.first_contacts)
        self._sent_known = self._sent_first = 0

    @property
    def has_any(self) -> bool:
        """Tell whether anything is left."""
        return self.known > 0 or self.first_contacts > 0

    @property
    def known_before_next_first(self) -> int:
        """Return how many of its messages to known people come before its next first contact, if it has one."""
        return max(0, math.ceil(self._sent_first * self._known_per_first) - self._sent_known)

    def goes_before(self, known: "_Queue") -> bool:
        """Tell whether its next first contact stands before the next known person of another, or of itself."""
        return self.known_before_next_first == 0 if self is known else self.place < known.place

    def send_known(self, count: int, answered_at: float) -> None:
        """Note that so many were sent to known people, and when the last was answered."""
        self.known -= count
        self._sent_known += count
        self.finished_at = max(self.finished_at, answered_at)

    def send_first(self, count: int, answered_at: float) -> None:
        """Note that so many first contacts were sent, and when the last was answered."""
        self.first_contacts -= count
        self._sent_first += count
        self.finished_at = max(self.finished_at, answered_at)


class _PlayedLane:
    """The lane of a session as it will be; each step sends a run of messages or waits for something to begin."""

    def __init__(self, outlook: LaneOutlook, hours: Sequence[_Hours]) -> None:
        gap = outlook.profile.gap
        first_gap = outlook.profile.first_contact_gap or gap
        self.free_at = outlook.starts_at
        self._outlook = outlook
        self._hours = hours
        self._cycle_s = max(_CYCLE_MIN_S, outlook.seconds_per_send + gap.mean_s)
        self._first_cycle_s = max(self._cycle_s, outlook.seconds_per_send + first_gap.mean_s)
        self._first_free_at = outlook.first_contact_free_at
        self._day_ends_at = -math.inf
        self._cap_left: int | None = None
        self._sent_today = outlook.first_contacts_today

    def step(self, waiting: Sequence[_Queue]) -> _Queue | None:
        """Send what may go now, in one run, and return whose it was; None: nothing may go yet, it waited."""
        self._begin_day()
        now = self.free_at
        openings = [hours.opens_at(now) for hours in self._hours]
        change_at = min((opens for opens in openings if opens > now), default=math.inf)
        known = next((each for each in waiting if each.known and each.hours.opens_at(now) <= now), None)
        first = next((each for each in waiting if each.first_contacts and each.hours.opens_at(now) <= now), None)
        if first is not None and (known is None or first.goes_before(known)):
            return self._go_on_first(first, known, change_at)
        if known is not None:
            return self._send_known(known, known.known_before_next_first if first is known else known.known, change_at)
        self.free_at = change_at
        return None

    def _begin_day(self) -> None:
        if self.free_at < self._day_ends_at:
            return
        if self._day_ends_at > -math.inf:
            self._sent_today = 0
        cap = self._outlook.profile.cap_on(day_number(self._outlook.linked_at, self.free_at, self._outlook.zone))
        self._cap_left = first_contacts_left(cap, self._sent_today)
        self._day_ends_at = next_day_at(self.free_at, self._outlook.zone)

    def _go_on_first(self, first: _Queue, known: _Queue | None, change_at: float) -> _Queue | None:
        """Send first contacts whose turn it is; while they must wait, go on with known people or wait too."""
        may_go_at = self._day_ends_at if self._cap_left == 0 else self._first_free_at
        if may_go_at <= self.free_at:
            return self._send_first(first, 1 if known is not None else first.first_contacts, change_at)
        if known is not None:
            return self._send_known(known, known.known, min(change_at, may_go_at))
        self.free_at = min(change_at, may_go_at, first.hours.closes_at)
        return None

    def _send_known(self, queue: _Queue, count: int, until: float) -> _Queue:
        count = min(count, self._starts_before(min(until, queue.hours.closes_at), self._cycle_s))
        last_at = self.free_at + (count - 1) * self._cycle_s
        queue.send_known(count, last_at + self._outlook.seconds_per_send)
        self.free_at = last_at + self._cycle_s
        return queue

    def _send_first(self, queue: _Queue, count: int, until: float) -> _Queue:
        until = min(until, queue.hours.closes_at, self._day_ends_at)
        count = min(count, self._starts_before(until, self._first_cycle_s))
        if self._cap_left is not None:
            count = min(count, self._cap_left)
            self._cap_left -= count
        last_at = self.free_at + (count - 1) * self._first_cycle_s
        queue.send_first(count, last_at + self._outlook.seconds_per_send)
        self._first_free_at = last_at + self._first_cycle_s
        self.free_at = last_at + self._cycle_s
        return queue

    def _starts_before(self, until: float, cycle_s: float) -> int:
        """Return how many messages start before a moment, the first right now: at least that one."""
        return max(1, math.ceil(min(until - self.free_at, 2 * _HORIZON_S) / cycle_s))
