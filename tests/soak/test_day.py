"""Two hours of a day; `make soak ARGS=--day` plays a whole one."""

import random

import pytest

from tests.soak.day import Day, play


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_grows_over_some_hours() -> None:
    day = Day(session_count=8, seconds=75.0, hours=2.0)

    play(day, random.Random(16))  # noqa: S311 (a test is to be repeatable)

    assert day.failures() == [], "\n".join(day.report())
