"""The table of slow tests names what there is."""

from tests.run.slow import AT_ONCE, SLOW, is_slow
from tests.source import ROOT


def test_what_is_slow_exists() -> None:
    assert [each for each in (*SLOW, *AT_ONCE) if not (ROOT / "tests" / each).exists()] == []


def test_what_is_needed_at_once_is_not_slow() -> None:
    assert is_slow(ROOT / "tests/faults/test_starts.py")
    assert not any(is_slow(ROOT / "tests" / each) for each in AT_ONCE)
    assert not is_slow(ROOT / "tests/e2e/test_main_job.py")
