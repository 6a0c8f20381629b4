"""A run keeps what it measured, also where a benchmark breaks off, and says how quiet it was."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.machine import Quiet
from tests.benchmarks.results import Results
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row

ROW = Row(
    name="create",
    unit="ms",
    sessions=2,
    values={OURS: 3.0, FLOOR: 2.0},
    goals=[Goal(FLOOR, 1.5)],
    counts={OURS: 20},
    missing={"PM2": "no node"},
)


def breaking_off() -> Iterator[Row]:
    yield ROW
    raise RuntimeError("no daemon\nwith a long log")


def test_what_breaks_off_keeps_its_rows_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    results = Results()

    groups = [results.measure("one", breaking_off), results.measure("two", lambda: [ROW])]

    assert [(group.rows, group.failure) for group in groups] == [([ROW], "RuntimeError: no daemon"), ([ROW], "")]
    assert results.has_failed
    assert "with a long log" in capsys.readouterr().err


def test_the_json_tells_machine_load_and_every_row(tmp_path: Path) -> None:
    results, path = Results(), tmp_path / "bench.json"
    results.measure("one", lambda: [ROW])

    results.write(path)

    told = json.loads(path.read_text("utf-8"))
    assert {"processor", "cores", "memory_bytes", "system", "python", "sqlite", "date", "commit"} == told[
        "machine"
    ].keys()
    assert len(told["spins_s"]) == 2
    (group,) = told["groups"]
    assert (group["name"], group["failure"]) == ("one", None)
    assert {"load_before", "load_after", "spin_s"} <= group.keys()
    assert group["rows"] == [
        {
            "name": "create",
            "unit": "ms",
            "sessions": 2,
            "is_more_better": False,
            "values": {OURS: 3.0, FLOOR: 2.0},
            "counts": {OURS: 20},
            "missing": {"PM2": "no node"},
            "best_peer": None,
            "to_best_peer": None,
            "to_floor": 1.5,
            "goals": [{"against": FLOOR, "factor": 1.5, "is_met": True}],
        }
    ]


def test_a_quiet_run_says_nothing() -> None:
    assert Quiet(load_before=0.1, spins_s=[0.020, 0.021]).noise() == []


def test_a_run_beside_others_says_so() -> None:
    noise = Quiet(load_before=os.cpu_count() or 1, spins_s=[0.020, 0.030]).noise()

    assert noise == ["the same loop took up to 50% longer at one time than at another"]


def test_a_run_that_begins_on_a_busy_machine_says_so() -> None:
    cores = os.cpu_count() or 1

    assert Quiet(load_before=cores + 1, spins_s=[0.020]).noise() == [
        f"the load before it was {cores + 1:.1f} on {cores} cores"
    ]
