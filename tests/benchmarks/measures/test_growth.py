"""An exponent tells how a cost grows, and none is made of what is no cost or too little to tell."""

import pytest

from tests.benchmarks.measures.growth import growth_of
from tests.benchmarks.rows import OURS, Row


def rows(*values: float, name: str = "a cost", is_more_better: bool = False) -> list[Row]:
    sizes = (50, 200, 1000)
    return [
        Row(name=name, unit="ms", sessions=sessions, values={OURS: value}, is_more_better=is_more_better)
        for sessions, value in zip(sizes, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "exponent", "is_met"), [((5, 20, 100), 1, True), ((3, 9, 3), 0, True), ((1, 16, 400), 2, False)]
)
def test_the_exponent_of_a_cost(values: tuple[float, ...], exponent: float, *, is_met: bool) -> None:
    (row,) = growth_of(rows(*values))

    assert row.values[OURS] == pytest.approx(exponent)
    assert [row.is_met(goal) for goal in row.goals] == [is_met]


@pytest.mark.parametrize(("values", "is_met"), [((4, 4, 5), True), ((1, 4, 20), False)])
def test_the_cost_of_one_session_is_to_be_flat(values: tuple[float, ...], *, is_met: bool) -> None:
    (row,) = growth_of(rows(*values, name="create → running, median"))

    assert [row.is_met(goal) for goal in row.goals] == [is_met]


def test_what_was_never_there_and_what_is_no_cost_have_none() -> None:
    assert [*growth_of(rows(0, 0, 0))] == []
    assert [*growth_of(rows(5, 20, 100, is_more_better=True))] == []
