"""An exponent tells how a cost grows, and none is made of what is no cost or too little to tell."""

import pytest

from tests.benchmarks.measures.growth import growth_of
from tests.benchmarks.rows import OURS, Row


def rows(*values: float, is_more_better: bool = False) -> list[Row]:
    sizes = (50, 200, 1000)
    return [
        Row(name="a cost", unit="ms", sessions=sessions, values={OURS: value}, is_more_better=is_more_better)
        for sessions, value in zip(sizes, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "exponent", "is_met"), [((5, 20, 100), 1, True), ((3, 9, 3), 0, True), ((1, 16, 400), 2, False)]
)
def test_the_exponent_of_a_cost(values: tuple[float, ...], exponent: float, *, is_met: bool) -> None:
    (row,) = growth_of(rows(*values))

    assert row.values[OURS] == pytest.approx(exponent)
    assert [row.is_met(goal) for goal in row.goals] == [is_met]


def test_what_was_never_there_and_what_is_no_cost_have_none() -> None:
    assert [*growth_of(rows(0, 0, 0))] == []
    assert [*growth_of(rows(5, 20, 100, is_more_better=True))] == []
