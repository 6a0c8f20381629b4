import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.zones import (
    FIRST_AT,
    LAST_AT,
    begins_at,
    day_begins_at,
    day_of,
    local_time,
    next_day_at,
    zone_of,
)

#: Places whose clocks change: by one hour, by half an hour, backwards for Ramadan, at midnight; a day that was skipped.
ZONES = (
    *("UTC", "Asia/Hong_Kong", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"),
    *("Africa/Casablanca", "Africa/Cairo", "Pacific/Apia"),
)
HOUR_S = 3600
YEAR_2010 = datetime.fromisoformat("2010-01-01 00:00")


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "shown", "moment"),
    [
        ("Europe/Berlin", "2026-07-01 09:00", "2026-07-01 07:00"),
        ("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00"),  # skipped: the clocks go on with 03:00
        ("Europe/Berlin", "2026-03-29 03:00", "2026-03-29 01:00"),
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30"),  # twice: the first
        ("Europe/Berlin", "2026-10-25 03:00", "2026-10-25 02:00"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30"),  # half an hour is skipped
        ("America/Santiago", "2026-09-06 00:00", "2026-09-06 04:00"),  # midnight is skipped
        ("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00"),  # the whole day is
        ("UTC", "2026-11-01 00:00", "2026-11-01 00:00"),
    ],
)
def test_a_local_time_begins_when_the_clocks_first_show_it_or_a_later_one(zone: str, shown: str, moment: str) -> None:
    assert begins_at(datetime.fromisoformat(shown), zone_of(zone)) == utc(moment)


@given(
    zone=st.sampled_from(ZONES),
    shown=st.integers(0, 30 * 525_600).map(lambda minutes: YEAR_2010 + timedelta(minutes=minutes)),
)
@example(zone="Europe/Berlin", shown=datetime.fromisoformat("2026-03-29 02:30"))
@example(zone="Africa/Casablanca", shown=datetime.fromisoformat("2026-03-22 02:30"))
@example(zone="Pacific/Apia", shown=datetime.fromisoformat("2011-12-30 00:00"))
def test_no_earlier_minute_shows_that_time_or_a_later_one(zone: str, shown: datetime) -> None:
    place = zone_of(zone)
    start = shown.replace(tzinfo=UTC).timestamp() - 26 * HOUR_S
    walked = next(
        at
        for at in (start + 60 * step for step in range(64 * 60))
        if local_time(at, place).replace(tzinfo=None) >= shown
    )

    assert begins_at(shown, place) == walked


@given(zone=st.sampled_from(ZONES), at=st.floats(0, 4e9))
def test_the_next_day_begins_after_every_moment_of_this_one(zone: str, at: float) -> None:
    place = zone_of(zone)

    next_at = next_day_at(at, place)

    assert at < next_at <= at + 50 * HOUR_S
    assert day_of(next_at, place) > day_of(at, place)
    assert day_of(next_at - 1, place) in (day_of(at, place), day_of(at, place) + timedelta(days=1))


def test_a_day_begins_later_where_the_clocks_skip_midnight() -> None:
    assert day_begins_at(date(2026, 9, 6), zone_of("America/Santiago")) == utc("2026-09-06 04:00")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [-math.inf, -1e300, FIRST_AT, -1.0, 0.0, LAST_AT - 1, LAST_AT, 1e300, math.inf])
def test_no_moment_is_beyond_the_calendar(zone: str, at: float) -> None:
    place = zone_of(zone)

    assert 1 <= day_of(at, place).year <= 9998
    assert next_day_at(at, place) > FIRST_AT


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Olympus", "asia/hong_kong", "America", "localtime", "posixrules", "right/Asia/Hong_Kong", "UTC\n"),
        *("/etc/localtime", "../../etc/passwd", "A/../../../etc/passwd", "UTC\0", "Asia/Hong_Kong" * 9000, "A" * 300),
        *("Asia//Hong_Kong", "\udcff", "\uff21sia/Hong_Kong", "+08:00", "Asia/Hong Kong"),
    ],
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="no such time zone") as refusal:
        zone_of(name)

    assert refusal.value.field == "time_zone"
