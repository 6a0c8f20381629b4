"""The verdict of a soak: what grows fails it, what only swings or settles does not."""

import random

import pytest

from tests.soak.series import Series

PERIOD_S, COUNT = 2.0, 300


def a_series(values: list[float], *, share: float = 0.03, allowance: float = 3.0) -> Series:
    series = Series(name="x", share=share, allowance=allowance)
    for number, value in enumerate(values):
        series.note(1000 + number * PERIOD_S, value)
    return series


def noise(amplitude: float) -> list[float]:
    dice = random.Random(4)  # noqa: S311 (dice)
    return [dice.uniform(-amplitude, amplitude) for _ in range(COUNT)]


def test_a_slow_leak_under_much_noise_is_found() -> None:
    leaking = a_series([90 + 8 * number / COUNT + off for number, off in enumerate(noise(5))])

    assert leaking.rise() == pytest.approx(6, abs=1)
    assert not leaking.is_flat()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([90 + off for off in noise(5)], id="noise"),
        pytest.param([number % 20 for number in range(COUNT)], id="sawtooth"),
        pytest.param([min(90, 50 + number) for number in range(COUNT)], id="settles"),
        pytest.param([90 - 20 * number / COUNT for number in range(COUNT)], id="falls"),
    ],
)
def test_what_swings_settles_or_falls_is_flat(values: list[float]) -> None:
    assert a_series(values).is_flat()


def test_steps_that_add_up_are_found() -> None:
    stairs = a_series([40 + number // 30 for number in range(COUNT)], allowance=3)

    assert not stairs.is_flat()


def test_the_larger_one_of_share_and_allowance_counts() -> None:
    rising = [100 + 8 * number / COUNT for number in range(COUNT)]

    assert not a_series(rising, share=0.03, allowance=5).is_flat()
    assert a_series(rising, share=0.03, allowance=7).is_flat()
    assert a_series(rising, share=0.1, allowance=5).is_flat()


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_little_is_not_called_flat(count: int) -> None:
    assert not a_series([90.0] * count).is_flat()
