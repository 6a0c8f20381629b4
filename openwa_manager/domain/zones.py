"""Days, months and hours of the clock in a place: what they are at a moment, and at which moment they begin.

All rests on one definition. A local time begins at the first moment at which the clocks of the place show that time or
a later one. So a time that is left out when the clocks go forward is the moment at which they do, and one that comes
twice when they go back is its first.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openwa_manager.domain.errors import InvalidInputError

#: Names of the IANA database: `UTC`, `Asia/Hong_Kong`, `America/Argentina/Buenos_Aires`, `Etc/GMT+8`. What begins with
#: a small letter is something else that lies beside them: `localtime`, and `right/…`, which counts leap seconds.
_NAME = re.compile(r"[A-Z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,31}){0,2}", re.ASCII)
#: The moments between which a calendar can be asked, a year from where it ends: 0002-01-01 and 9998-01-01.
FIRST_AT = -62_104_060_800.0
LAST_AT = 253_339_228_800.0


@lru_cache(maxsize=256)
def zone_of(name: str, field: str = "time_zone") -> ZoneInfo:
    """Return the time zone of this name; `field` is what it is called in a refusal.

    Raises:
        InvalidInputError: there is none.
    """
    if _NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: `America` is a folder
            pass
    raise InvalidInputError(field, "there is no such time zone; write it as in Asia/Hong_Kong")


def local_time(at: float, zone: ZoneInfo) -> datetime:
    """Return what the clocks of a place show at a moment; one beyond `FIRST_AT` and `LAST_AT` counts as these."""
    return datetime.fromtimestamp(min(max(at, FIRST_AT), LAST_AT), zone)


def begins_at(shown: datetime, zone: ZoneInfo) -> float:
    """Return the first moment at which the clocks of a place show this time (without zone) or a later one."""
    earlier, later = (_offset_s(shown.replace(fold=fold), zone) for fold in (0, 1))
    as_utc = shown.replace(tzinfo=UTC).timestamp()
    if later <= earlier:  # an ordinary time, or one that comes twice: the offset before the change gives its first
        return as_utc - earlier
    return _change_at(as_utc - later, as_utc - earlier, zone)


def day_of(at: float, zone: ZoneInfo) -> date:
    """Return the date of a moment in a place."""
    return local_time(at, zone).date()


def day_begins_at(day: date, zone: ZoneInfo) -> float:
    """Return the first moment of a day: midnight, or where the clocks skip it, when the day begins."""
    return begins_at(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001


def next_day_at(at: float, zone: ZoneInfo) -> float:
    """Return when the next day begins, always after `at`; infinity where the calendar ends."""
    if at >= LAST_AT:
        return math.inf
    return day_begins_at(day_of(at, zone) + timedelta(days=1), zone)


def _offset_s(shown: datetime, zone: ZoneInfo) -> float:
    offset = shown.replace(tzinfo=zone).utcoffset()
    return offset.total_seconds() if offset is not None else 0.0


def _change_at(before: float, after: float, zone: ZoneInfo) -> float:
    """Return the second at which the clocks go forward, between two moments of which the later one is past that."""
    then = local_time(after, zone).utcoffset()
    low, high = math.floor(before), math.ceil(after)
    while low + 1 < high:
        middle = (low + high) // 2
        if local_time(middle, zone).utcoffset() == then:
            high = middle
        else:
            low = middle
    return float(high)
