import pytest

from openwa_manager.processes.confinement.support import landlock_support, system_support


def test_a_kernel_without_landlock_can_keep_nobody_apart() -> None:
    support = landlock_support(0, "x86_64")

    assert not support.is_possible
    assert "5.13" in support.what


@pytest.mark.parametrize(("abi", "count"), [(1, 3), (2, 3), (3, 2), (4, 1), (5, 1), (6, 0), (7, 0)])
def test_an_older_kernel_has_gaps_that_are_named(abi: int, count: int) -> None:
    support = landlock_support(abi, "x86_64")

    assert support.is_possible
    assert str(abi) in support.what
    assert len(support.gaps) == count


def test_a_machine_whose_calls_are_not_known_has_a_gap_more() -> None:
    assert "modes" in landlock_support(7, "riscv64").gaps[0]


def test_this_system_has_an_answer() -> None:
    assert system_support().what
