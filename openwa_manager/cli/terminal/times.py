"""Times of the API as people read them: local time, and of which zone it is."""

import time
from datetime import datetime, tzinfo


def moment(at: str | None) -> str | None:
    """Return a time of the API (ISO 8601) in local time to the second, with its zone; None stays None."""
    local = _local(at)
    return at if local is None else f"{local:%Y-%m-%d %H:%M:%S} {_zone_of(local)}"


def exact(at: str | None) -> str | None:
    """Return a time for a table whose head names the zone, in full; None stays None."""
    local = _local(at, _zone_now())
    return at if local is None else f"{local:%Y-%m-%d %H:%M:%S}"


def short(at: str | None) -> str | None:
    """Return a time for a table whose head names the zone: today's hour, this year's day, else the date."""
    local = _local(at, _zone_now())
    if local is None:
        return at
    now = time.localtime()
    if (local.year, local.month, local.day) == now[:3]:
        return f"{local:%H:%M:%S}"
    return f"{local:%b %d %H:%M}" if local.year == now.tm_year else f"{local:%Y-%m-%d}"


def seconds_between(begin: str | float, end: str) -> float | None:
    """Return the seconds from a time (of the API, or since the epoch) to one of the API; None for what is no time."""
    begins = begin if isinstance(begin, float) else _since_epoch(begin)
    ends = _since_epoch(end)
    return None if begins is None or ends is None else ends - begins


def _since_epoch(at: str) -> float | None:
    from datetime import UTC

    local = _local(at, UTC)
    return None if local is None else local.timestamp()


def zone() -> str:
    """Return the name of the zone that `exact` and `short` use, such as CET or UTC+8."""
    return _zone_of(datetime.fromtimestamp(0, _zone_now()))


def _zone_now() -> tzinfo:
    """Return today's offset from UTC for all times, so that one name in the head of a table is true of every row."""
    from datetime import timedelta, timezone

    now = time.localtime()
    return timezone(timedelta(seconds=now.tm_gmtoff), now.tm_zone)


def _zone_of(local: datetime) -> str:
    name = local.tzname() or ""
    return f"UTC{name}" if name[:1] in ("+", "-") else name  # zones without letters are called +08


def _local(at: str | None, where: tzinfo | None = None) -> datetime | None:
    """Return a time in this zone (None: the host's); None for what is no time."""
    try:
        return None if at is None else datetime.fromisoformat(at).astimezone(where)
    except (ValueError, OverflowError, OSError):  # a daemon's times have passed through others' hands
        return None
