"""Every benchmark still runs, on little: nobody looks at them until they are needed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.rows import OURS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_measures_something(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    argv = [sys.executable, "-m", "tests.benchmarks", "--quick", "--json", str(path), name]

    run = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=500)

    assert run.returncode == 0, run.stdout + run.stderr
    (group,) = json.loads(path.read_text("utf-8"))["groups"]
    assert group["rows"]
    for row in group["rows"]:
        assert OURS in row["values"], row
        assert all(math.isfinite(value) for value in row["values"].values()), row
        assert row["name"] in run.stdout
