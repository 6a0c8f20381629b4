"""Runs a floor as a process of its own, as what it is compared with runs."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.process import ending

_ROOT = Path(__file__).parents[3]


@contextmanager
def floor_process(name: str, *arguments: str, given: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """Run a module of this folder until left, from when it has said `ready`; `given` is its standard input."""
    argv = [sys.executable, "-m", f"tests.benchmarks.floors.{name}", *arguments]
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.close()
        line = process.stdout.readline()
        assert line == b"ready\n", (name, line)
        yield process
        process.kill()
