import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openwa_manager.domain.errors import InvalidInputError
from openwa_manager.domain.messaging.windows import (
    DAY_MINUTES,
    EVERY_DAY,
    Window,
    can_open,
    closes_at,
    is_open,
    opens_at,
    window_of,
)
from openwa_manager.domain.zones import LAST_AT, local_time, zone_of

ZONES = (
    *("UTC", "Asia/Hong_Kong", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"),
    "Africa/Casablanca",
)
#: Days around which the clocks of these places change, and an ordinary one.
DAYS = (
    *(datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)),
    *(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 9, 6, tzinfo=UTC)),
    *(datetime(2026, 10, 4, tzinfo=UTC), datetime(2026, 2, 15, tzinfo=UTC), datetime(2026, 3, 22, tzinfo=UTC)),
    datetime(2026, 7, 1, tzinfo=UTC),
)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def windows() -> st.SearchStrategy[Window]:
    minutes = st.integers(0, DAY_MINUTES - 1) | st.integers(0, 95).map(lambda quarter: quarter * 15)
    return st.builds(
        lambda first, last, zone, days: Window(
            first_minute=first, last_minute=last if last != first else DAY_MINUTES, zone=zone, days=days
        ),
        minutes,
        minutes,
        st.sampled_from(ZONES),
        st.just(EVERY_DAY) | st.frozensets(st.integers(1, 7), min_size=1),
    )


def walked(window: Window, start: float, minutes: int) -> Sequence[bool]:
    """Tell for each minute whether the window is open, by looking at the clocks from two days before on."""
    zone, opened, is_open_now = zone_of(window.zone), [], False
    due: list[tuple[datetime, bool]] = []
    day = local_time(start, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=3)
    for ahead in range(minutes // DAY_MINUTES + 7):
        begins = day + timedelta(days=ahead, minutes=window.first_minute)
        ends = day + timedelta(days=ahead, minutes=window.last_minute)
        if (day + timedelta(days=ahead)).isoweekday() in window.days:
            due += [(begins, True), (ends if ends > begins else ends + timedelta(days=1), False)]
    for step in range(-2 * DAY_MINUTES, minutes):
        shown = local_time(start + 60 * step, zone).replace(tzinfo=None)
        while due and shown >= due[0][0]:
            is_open_now = due.pop(0)[1]
        opened.append(is_open_now)
    return opened[2 * DAY_MINUTES :]


@settings(max_examples=40)
@given(window=windows(), day=st.sampled_from(DAYS))
@example(
    window=Window(first_minute=2 * 60 + 15, last_minute=2 * 60 + 45, zone="Europe/Berlin"), day=DAYS[0]
)  # wholly skipped
@example(window=Window(first_minute=22 * 60, last_minute=2 * 60 + 30, zone="Europe/Berlin"), day=DAYS[1])
def test_a_window_is_open_when_a_walk_over_the_minutes_says_so(window: Window, day: datetime) -> None:
    start, minutes = day.timestamp() - 86_400, 3 * DAY_MINUTES

    opened = walked(window, start, minutes)

    for step in range(0, minutes, 41):
        at = start + 60 * step
        assert is_open(window, at) == opened[step]
        later = next((each for each in range(step, minutes) if opened[each]), None)
        if later is not None:
            assert opens_at(window, at) == start + 60 * later
            closed = next((each for each in range(later, minutes) if not opened[each]), minutes)
            assert at < closes_at(window, at) <= start + 60 * closed or closed == minutes


@given(window=windows(), at=st.floats(0, 4e9))
def test_the_next_opening_is_open_and_closes_later(window: Window, at: float) -> None:
    opens = opens_at(window, at)

    assert at <= opens < at + 15 * 86_400
    assert is_open(window, opens)
    assert closes_at(window, at) == closes_at(window, opens) > opens
    assert closes_at(window, at) - opens <= 26 * 3600


def test_a_window_over_midnight_belongs_to_the_day_it_begins() -> None:
    friday_night = window_of("22:00", "02:00", "Asia/Hong_Kong", [5])

    assert is_open(friday_night, utc("2026-11-27 17:59"))  # 01:59 on Saturday
    assert not is_open(friday_night, utc("2026-11-27 18:00"))
    assert not is_open(friday_night, utc("2026-11-26 17:00"))  # 01:00 on Friday
    assert opens_at(friday_night, utc("2026-11-27 18:00")) == utc("2026-12-04 14:00")


def test_a_window_closes_at_its_end() -> None:
    office = window_of("09:00", "20:00", "Asia/Hong_Kong")

    assert opens_at(office, utc("2026-11-29 00:00")) == utc("2026-11-29 01:00")
    assert closes_at(office, utc("2026-11-29 00:00")) == utc("2026-11-29 12:00")
    assert opens_at(office, utc("2026-11-29 11:59")) == utc("2026-11-29 11:59")
    assert opens_at(office, utc("2026-11-29 12:00")) == utc("2026-11-30 01:00")
    assert (office.first, office.last) == ("09:00", "20:00")


def test_whole_days_follow_each_other_without_a_break() -> None:
    sunday = window_of("00:00", "24:00", "UTC", [7])
    always = window_of("00:00", "24:00", "UTC")

    assert (opens_at(sunday, utc("2026-11-28 12:00")), closes_at(sunday, utc("2026-11-28 12:00"))) == (
        utc("2026-11-29 00:00"),
        utc("2026-11-30 00:00"),
    )
    assert is_open(always, closes_at(always, 0.0))
    assert always.last == "24:00"


def test_no_window_is_always_open() -> None:
    assert (opens_at(None, 5.0), closes_at(None, 5.0), is_open(None, 5.0)) == (5.0, math.inf, True)


def test_a_window_without_days_and_one_beyond_the_calendar_never_open() -> None:
    for window, at in ((window_of("09:00", "20:00", "UTC", []), 0.0), (window_of("09:00", "20:00", "UTC"), LAST_AT)):
        assert (opens_at(window, at), closes_at(window, at), is_open(window, at)) == (math.inf, math.inf, False)
        assert not can_open(window, at, math.inf)


def test_what_expires_before_its_window_opens_can_never_go() -> None:
    office = window_of("09:00", "20:00", "UTC")

    assert can_open(office, utc("2026-11-29 21:00"), utc("2026-11-30 09:01"))
    assert not can_open(office, utc("2026-11-29 21:00"), utc("2026-11-30 09:00"))
    assert not can_open(None, 5.0, 5.0)


@pytest.mark.parametrize(
    ("first", "last", "zone", "days", "field"),
    [
        ("9:00", "20:00", "UTC", None, "window.from"),
        ("24:00", "20:00", "UTC", None, "window.from"),
        ("09:00", "24:01", "UTC", None, "window.to"),
        ("09:00", "20:60", "UTC", None, "window.to"),
        ("09:00", "20:00\n", "UTC", None, "window.to"),
        ("09:00", "\u0662\u0660:00", "UTC", None, "window.to"),
        ("09:00", "1" * 1_000_000, "UTC", None, "window.to"),
        ("09:00", "09:00", "UTC", None, "window.to"),
        ("09:00", "20:00", "Mars/Olympus", None, "window.time_zone"),
        ("09:00", "20:00", "UTC", [0], "window.days"),
        ("09:00", "20:00", "UTC", [8], "window.days"),
        ("09:00", "20:00", "UTC", [1] * 1_000_000, "window.days"),
    ],
)
def test_what_is_no_window_is_refused(first: str, last: str, zone: str, days: Sequence[int] | None, field: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        window_of(first, last, zone, days)

    assert refusal.value.field == field
