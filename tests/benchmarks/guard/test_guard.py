"""The guard finds what got worse, and lets pass what was slow once."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.benchmarks.guard.__main__ import main
from tests.benchmarks.guard.ratios import GUARDED, SLACK, SMALL, TRIES, costs_of, measure
from tests.benchmarks.rows import FLOOR, OURS, Row

RECORDED = Path(__file__).with_name("recorded.json")


def row(cost: float, *, is_more_better: bool = False) -> Row:
    values = {OURS: 1.0, FLOOR: cost} if is_more_better else {OURS: cost, FLOOR: 1.0}
    return Row(name="a row", unit="ms", values=values, is_more_better=is_more_better)


def run(tmp_path: Path, recorded: Mapping[str, float], costs: Iterable[float]) -> tuple[int, int]:
    """Let the guard judge a row of these costs, one each try; return its exit code, and how many costs it left."""
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"ratios": recorded}))
    left: Iterator[float] = iter(costs)
    code = main([], path, {"a benchmark": lambda: [row(next(left))]}, ["a row"])
    return code, len([*left])


@pytest.mark.parametrize("cost", [0.5, 2.0, 2.0 * SLACK])
def test_what_is_as_it_was_recorded_passes_at_the_first_try(tmp_path: Path, cost: float) -> None:
    assert run(tmp_path, {"a row": 2.0}, [cost]) == (0, 0)


def test_what_got_worse_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, {"a row": 2.0}, [3.1] * (TRIES + 1)) == (1, 1)
    assert "REGRESSED  a row: 3.10, 3.10, 3.10 (recorded 2.00)" in capsys.readouterr().out


def test_what_was_slow_only_once_passes(tmp_path: Path) -> None:
    assert run(tmp_path, {"a row": 2.0}, [9.0, 2.1, 2.1]) == (0, 1)


def test_what_was_never_recorded_fails(tmp_path: Path) -> None:
    assert run(tmp_path, {}, [1.0] * TRIES) == (1, 0)


def test_what_is_not_measured_fails(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"ratios": {"a row": 2.0, "another": 1.0}}))

    assert main([], path, {"a benchmark": lambda: [row(2.0)]}, ["a row", "another"]) == 1


def test_nothing_is_recorded_on_a_busy_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recorded.json"
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 1000.0, 1000.0))

    assert main(["--record"], path, {"a benchmark": lambda: [row(1.0)]}, ["a row"]) == 1
    assert not path.exists()


def test_no_try_begins_that_would_end_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = iter(range(0, 10_000, 20))  # each look at the clock is 20 s after the one before
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock_s)))

    tries = measure({"a benchmark": lambda: [row(1.0)]}, ["a row"], lambda _: True)

    assert tries == {"a row": [1.0, 1.0]}


def test_recording_writes_the_median_and_how_it_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, costs = tmp_path / "recorded.json", iter([5.0, 2.0, 3.0])

    monkeypatch.setattr("os.getloadavg", lambda: (0.1, 0.1, 0.1))
    assert main(["--record"], path, {"a benchmark": lambda: [row(next(costs))]}, ["a row"]) == 0

    recorded = json.loads(path.read_text("utf-8"))
    assert recorded["ratios"] == {"a row": 3.0}
    assert {"how", "machine", "noise"} <= recorded.keys()


@pytest.mark.parametrize("is_more_better", [False, True])
def test_a_cost_is_how_many_times_the_floors_it_is(*, is_more_better: bool) -> None:
    assert costs_of([row(4.0, is_more_better=is_more_better)], ["a row"]) == {"a row": 4.0}


def test_every_guarded_ratio_is_recorded() -> None:
    assert json.loads(RECORDED.read_text("utf-8"))["ratios"].keys() == GUARDED
    assert len(SMALL) <= len(GUARDED)
