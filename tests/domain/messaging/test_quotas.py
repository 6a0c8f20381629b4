from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.messaging.quotas import granted, month_of, quota_left, resets_at
from openwa_manager.domain.zones import zone_of

ZONES = ("UTC", "Asia/Hong_Kong", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca")
COUNTS = st.integers(0, 100)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("at", "zone", "month", "next_begins"),
    [
        ("2026-11-30 15:59", "Asia/Hong_Kong", "2026-11", "2026-11-30 16:00"),
        ("2026-11-30 16:00", "Asia/Hong_Kong", "2026-12", "2026-12-31 16:00"),
        ("2026-11-30 16:00", "UTC", "2026-11", "2026-12-01 00:00"),
        ("2026-10-01 00:00", "Europe/Berlin", "2026-10", "2026-10-31 23:00"),  # summer time ends meanwhile
        ("2028-02-29 12:00", "UTC", "2028-02", "2028-03-01 00:00"),
        ("2026-12-31 23:59", "UTC", "2026-12", "2027-01-01 00:00"),
    ],
)
def test_a_month_ends_at_midnight_in_its_place(at: str, zone: str, month: str, next_begins: str) -> None:
    assert month_of(utc(at), zone_of(zone)) == month
    assert resets_at(utc(at), zone_of(zone)) == utc(next_begins)


@given(at=st.integers(0, 4_000_000_000), zone=st.sampled_from(ZONES))
def test_the_next_month_begins_where_this_one_ends(at: int, zone: str) -> None:
    place = zone_of(zone)

    resets = resets_at(at, place)

    assert at < resets <= at + 31 * 86_400 + 3600
    assert month_of(resets - 1, place) == month_of(at, place)
    assert month_of(resets, place) > month_of(at, place)


@given(
    limit=st.none() | st.integers(0, 100), used=st.integers(0, 99), reserved=st.integers(0, 99), wanted=st.integers(0)
)
def test_no_more_is_granted_than_is_left(limit: int | None, used: int, reserved: int, wanted: int) -> None:
    left = quota_left(limit, used, reserved)

    count = granted(wanted, left)

    assert 0 <= count <= wanted
    assert limit is None or count == 0 or used + reserved + count <= limit
    assert limit is not None or count == wanted
