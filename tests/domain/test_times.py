"""Moments as others read them."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.times import iso8601


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert iso8601(1795332124.165) == "2026-11-22T07:22:04.165Z"


def test_a_whole_second_has_its_milliseconds_too() -> None:
    assert iso8601(0.0) == "1970-01-01T00:00:00.000Z"


@given(st.floats(0, 4e9))
def test_what_is_written_is_the_moment_to_the_millisecond(at: float) -> None:
    assert abs(datetime.fromisoformat(iso8601(at)).timestamp() - at) <= 0.001
