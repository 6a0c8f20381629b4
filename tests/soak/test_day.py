"""Two hours of a day; `make soak ARGS=--day` plays a whole one."""

import random

import pytest

from tests.soak.day import HEARTBEATS, PROBES, Day, play


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_grows_over_some_hours() -> None:
    day = Day(session_count=8, seconds=75.0, hours=2.0)

    play(day, random.Random(16))  # noqa: S311 (a test is to be repeatable)

    assert day.failures() == [], "\n".join(day.report())
    if day.verdict() != "HELD":
        pytest.skip(f"{day.verdict()}: {day.shortfalls()}")


@pytest.mark.parametrize(
    ("loads", "probes", "verdict"),
    [
        ([1.0, 1.0], 1.0, "HELD"),
        ([1.0, 1.0], 0.4, "FAILED"),
        ([1000.0, 1.0], 0.4, "MACHINE TOO SLOW"),
        ([1.0, 2000.0, 1.0], 0.4, "MACHINE TOO SLOW"),
        ([1000.0, 1.0], 1.0, "HELD"),
    ],
)
def test_too_few_probes_fail_unless_the_machine_was_too_slow(loads: list[float], probes: float, verdict: str) -> None:
    day = Day(session_count=8, seconds=75.0, hours=2.0, series=[], loads=loads)
    day.came.update({"session.qr": 10_000, "session.heartbeat": day.total(HEARTBEATS)})
    day.came["probes"] = round(day.total(PROBES) * probes)

    assert day.verdict() == verdict


def test_a_loss_fails_however_slow_the_machine_was() -> None:
    day = Day(session_count=8, seconds=75.0, hours=2.0, series=[], loads=[1000.0])
    day.asked["received"] = 1

    assert day.verdict() == "FAILED"
