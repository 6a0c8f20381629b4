"""A table says of each row what was measured, how that compares, and whether it is good."""

import pytest

from tests.benchmarks.rows import FLOOR, OURS, Goal, Row
from tests.benchmarks.table import amount, draw


def test_a_row_is_compared_with_the_floor_and_the_best_peer() -> None:
    rows = [
        Row(
            name="create",
            unit="ms",
            sessions=200,
            values={OURS: 3.0, FLOOR: 2.0, "PM2": 14.6, "circus": 6.0},
            goals=[Goal(FLOOR, 2), Goal("", 2)],
        ),
        Row(
            name="status", unit="/s", values={OURS: 5000, FLOOR: 10_000}, is_more_better=True, goals=[Goal(FLOOR, 0.6)]
        ),
    ]

    assert draw("a group", rows).splitlines() == [
        "a group     sessions   ours   floor   PM2  circus  to best peer  to floor  goal",
        "create, ms       200      3       2  14.6       6          0.50      1.50  ≤ 2 of floor: met, ≤ 2 ms: MISSED",
        "status, /s            5,000  10,000                                  0.50  ≥ 0.6 of floor: MISSED",
    ]


def test_without_peers_there_is_no_column_for_them() -> None:
    assert draw("a group", [Row(name="create", unit="ms", values={OURS: 3.0})]).splitlines() == [
        "a group     sessions  ours  floor  to floor  goal",
        "create, ms               3",
    ]


def test_a_goal_against_who_was_not_measured_is_not_told() -> None:
    row = Row(name="create", unit="ms", values={OURS: 3.0}, goals=[Goal(FLOOR, 1.5)])

    assert draw("a group", [row]).endswith("≤ 1.5 of floor: not told")


def test_why_a_peer_has_no_figure_is_told_once() -> None:
    row = Row(name="create", unit="ms", values={OURS: 3.0}, missing={"PM2": "there is no node"})

    assert draw("a group", [row, row]).splitlines()[3:] == ["PM2: there is no node"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.004, "0.004"), (0.25, "0.25"), (2.0, "2"), (12.34, "12.3"), (100.4, "100"), (14_900.2, "14,900")],
)
def test_a_number_has_as_many_digits_as_it_deserves(value: float, text: str) -> None:
    assert amount(value) == text
