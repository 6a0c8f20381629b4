"""The measure of growth finds what it is for."""

from tests.run.growth import is_constant, is_linear


def test_work_that_looks_at_all_again_for_each_is_found() -> None:
    assert not is_linear(lambda size: [sum(range(size)) for _ in range(size)], 4_000)
    assert is_linear(lambda size: sum(range(size)), 4_000_000)


def test_work_that_looks_at_all_is_not_constant() -> None:
    assert not is_constant(lambda size: sum(range(size)), 8_000_000)
    assert is_constant(range, 8_000_000)
