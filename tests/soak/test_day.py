"""Two hours of a day; `make soak ARGS=--day` plays a whole one."""

import json
import random
from pathlib import Path

import pytest

from tests.soak.day import HEARTBEATS, PROBES, Day, has_come, play


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


def test_an_event_that_came_twice_makes_up_for_none_that_is_lost(tmp_path: Path) -> None:
    day, arrived = Day(session_count=8, seconds=75.0), tmp_path / "arrived"
    day.asked["received"] = 2
    lines = [
        {"session": session, "type": "message.received", "seq": seq, "at": at}
        for at, (session, seq) in enumerate([("a", 1), ("a", 1), ("b", 1)])
    ]

    arrived.write_text("".join(f"{json.dumps(line)}\n" for line in lines[:2]))
    assert not has_come(day, arrived)

    arrived.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert has_come(day, arrived)
