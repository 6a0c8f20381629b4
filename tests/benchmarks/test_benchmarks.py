"""Every benchmark still runs, on little: nobody looks at them until they are needed."""

import subprocess
import sys

import pytest

from tests.benchmarks.__main__ import BENCHMARKS


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_measures_something(name: str) -> None:
    argv = [sys.executable, "-m", "tests.benchmarks", "--quick", name]

    run = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=500)

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()
