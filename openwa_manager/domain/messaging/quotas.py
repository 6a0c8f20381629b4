"""How many messages a user may send in a calendar month: which month a moment is in, and what is left of it."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from openwa_manager.domain.zones import day_begins_at, day_of

#: From the 28th of any month, this many days later is the next month.
_INTO_NEXT = timedelta(days=4)
#: Of a quota that somebody sets.
LIMIT_MAX = 1_000_000_000


def month_of(at: float, zone: ZoneInfo) -> str:
    """Return the month of a moment in a place, as in `2026-11`."""
    return day_of(at, zone).isoformat()[:7]


def resets_at(at: float, zone: ZoneInfo) -> float:
    """Return when the next month begins: the first moment of its first day."""
    in_next: date = day_of(at, zone).replace(day=28) + _INTO_NEXT
    return day_begins_at(in_next.replace(day=1), zone)


def quota_left(limit: int | None, used: int, reserved: int) -> int | None:
    """Return how many messages are left; None: any number. A limit that was lowered may leave less than nothing: 0."""
    return None if limit is None else max(0, limit - used - reserved)


def granted(wanted: int, left: int | None) -> int:
    """Return how many of the wanted messages there is quota for."""
    return wanted if left is None else min(wanted, left)
