"""Measures how soon a daemon that is started answers, and how soon a command has."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.floors.imports import command_floor, import_time_s
from tests.benchmarks.measures.upkeep import is_open
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians
from tests.e2e.peers.daemon import Daemon, eventually

_ROOT = Path(__file__).parents[3]
_SESSIONS = 20


def measure_opening(starts: int) -> Iterator[Row]:
    """Start a daemon that has no sessions so often, and wait until it answers, and until it is ready."""
    ready_s: list[float] = []
    with running(SLEEPER) as (daemon, _):
        contenders = {OURS: partial(_start, daemon, ready_s), FLOOR: partial(_import)}
        opened_s = alternate(contenders, max(1, starts))
    yield Row(name="start → API open", unit="ms", values=medians(opened_s, 1000), goals=[Goal(FLOOR, 1.5)])
    values = medians({OURS: ready_s, FLOOR: opened_s[FLOOR]}, 1000)
    yield Row(name="start → ready", unit="ms", values=values)


def _import() -> list[float]:
    return [import_time_s()]


def _start(daemon: Daemon, ready_s: list[float]) -> list[float]:
    daemon.terminate()
    began_s = time.perf_counter()
    daemon.start(wait=False)
    eventually(lambda: is_open(daemon), every_s=0.002)
    opened_s = time.perf_counter() - began_s
    eventually(lambda: daemon.ask("GET", "/readyz").status == 200, every_s=0.002)
    ready_s.append(time.perf_counter() - began_s)
    return [opened_s]


def measure_cli(runs: int) -> Iterator[Row]:
    """Run `openwa-manager list` so often, and beside it a Python that imports of others what that does."""
    with running(SLEEPER) as (daemon, _):
        for number in range(_SESSIONS):
            daemon.create(f"s{number}")
        environ = {"PATH": os.environ["PATH"], "HOME": str(daemon.home)}
        words = ["list", "--home", str(daemon.home)]
        contenders = {
            OURS: partial(_run, [sys.executable, "-m", "openwa_manager", *words], environ),
            FLOOR: partial(_run, command_floor(words, environ), environ),
        }
        samples = alternate(contenders, max(1, runs))
    yield Row(name="CLI list", unit="ms", sessions=_SESSIONS, values=medians(samples, 1000))


def _run(argv: Sequence[str], environ: Mapping[str, str]) -> list[float]:
    began_s = time.perf_counter()
    subprocess.run(argv, env=environ, cwd=_ROOT, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return [time.perf_counter() - began_s]
