"""The hours in which a batch may send: from one time of the day to another, in a place, on some days of the week.

A window belongs to the day it begins; one whose end is not after its beginning on the clock ends on the next day. Times
that the clocks skip or show twice are as `domain/zones.py` says; a window that lies wholly in skipped time is left out.
"""

import math
import re
from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import lru_cache

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.values import dataclass
from openwa_manager.domain.zones import LAST_AT, begins_at, day_of, zone_of

DAY_MINUTES = 24 * 60
#: Monday is 1, as ISO 8601 counts.
EVERY_DAY = frozenset(range(1, 8))
#: A window on one day of the week comes within eight days, and within some more where the clocks skip it.
_DAYS_AHEAD = 60
_TIME = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a batch may send: from minute `first_minute` of a day on, until before `last_minute` of it or of the next.

    Without days (Monday is 1) it never opens.

    Raises:
        InvalidInputError: a minute or a day is none, both minutes are the same, or there is no such zone; the field is
            one of `window.from window.to window.days window.time_zone`.
    """

    first_minute: int
    last_minute: int
    zone: str = "UTC"
    days: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if not 0 <= self.first_minute < DAY_MINUTES:
            raise InvalidInputError("window.from", "the first minute of a window is between 00:00 and 23:59")
        if not 0 <= self.last_minute <= DAY_MINUTES:
            raise InvalidInputError("window.to", "the end of a window is between 00:00 and 24:00")
        if self.first_minute == self.last_minute:
            raise InvalidInputError("window.to", "is the same as from; write a whole day as 00:00 to 24:00")
        if not self.days <= EVERY_DAY:
            raise InvalidInputError("window.days", "days are numbers from 1 (Monday) to 7 (Sunday)")
        zone_of(self.zone, "window.time_zone")

    @property
    def first(self) -> str:
        """Return the time it opens, as in `09:00`."""
        return _written(self.first_minute)

    @property
    def last(self) -> str:
        """Return the time it closes, as in `20:00`."""
        return _written(self.last_minute)


def window_of(first: str, last: str, zone: str, days: Collection[int] | None = None) -> Window:
    """Return the window from `first` (as in `09:00`) to `last` on these days of the week; None means every day.

    Raises:
        InvalidInputError: as for `Window`, or a time is not written as 09:00.
    """
    if days is not None and len(days) > len(EVERY_DAY):
        raise InvalidInputError("window.days", "a week has seven days")
    return Window(
        first_minute=_minute("window.from", first),
        last_minute=_minute("window.to", last),
        zone=zone,
        days=EVERY_DAY if days is None else frozenset(days),
    )


def opens_at(window: Window | None, at: float) -> float:
    """Return the first moment from `at` on at which the window is open: `at` itself when it is, infinity when never.

    None is a window that is always open.
    """
    return at if window is None else max(at, _next_span(window, at)[0])


def closes_at(window: Window | None, at: float) -> float:
    """Return when the window closes that is open at `at` or opens next; infinity when it never does or never opens.

    At that very moment the window of the next day may open.
    """
    return math.inf if window is None else _next_span(window, at)[1]


def is_open(window: Window | None, at: float) -> bool:
    """Tell whether the window is open at a moment; None is always open."""
    return opens_at(window, at) == at


def can_open(window: Window | None, not_before_at: float, expires_at: float) -> bool:
    """Tell whether a window opens from one moment on and before another; if not, what waits for it is never sent."""
    return opens_at(window, not_before_at) < expires_at


def _next_span(window: Window, at: float) -> tuple[float, float]:
    """Return when the window opens and closes that is the first to close after `at`; infinities when there is none."""
    if not window.days or at >= LAST_AT:
        return math.inf, math.inf
    yesterday = day_of(at, zone_of(window.zone)) - timedelta(days=1)
    days = (yesterday + timedelta(days=ahead) for ahead in range(_DAYS_AHEAD))
    spans = (_span(window, day) for day in days if day.isoweekday() in window.days)
    return next(((opens, closes) for opens, closes in spans if max(opens, at) < closes), (math.inf, math.inf))


@lru_cache(maxsize=4096)
def _span(window: Window, day: date) -> tuple[float, float]:
    """Return when the window that belongs to a day opens and closes, whatever day of the week it is."""
    zone = zone_of(window.zone)
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    overnight = DAY_MINUTES if window.last_minute <= window.first_minute else 0
    return (
        begins_at(midnight + timedelta(minutes=window.first_minute), zone),
        begins_at(midnight + timedelta(minutes=window.last_minute + overnight), zone),
    )


def _minute(field: str, text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise InvalidInputError(field, "write a time of the day as in 09:00")
    return int(found[1]) * 60 + int(found[2])


def _written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
