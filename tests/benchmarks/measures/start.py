"""Measures a daemon's start: until it answers, until it has taken up what lived, and what it then weighs."""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians
from tests.e2e.peers.daemon import Daemon, eventually

_SESSIONS = (50, 200, 1000)
_ROUNDS = 5
_PATIENCE_S = 60.0
#: After this what follows an adoption, first measurements and the like, is over.
_REST_S = 5.0

_SETTINGS = {**SLEEPER, "ENGINE_PORTS": "20000-24000", "PAIRING_WINDOW_S": "3600"}
_NAMES = """
import json, sys
import openwa_manager.daemon
print(json.dumps([name for name in sys.modules if name.partition(".")[0] not in ("__main__", "openwa_manager")]))
"""
_IMPORT = """
import contextlib, json, sys
for name in json.load(sys.stdin):
    with contextlib.suppress(ImportError):
        __import__(name)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What one start took until the API was open, and until all were adopted; `cpu_s` is the processor's time."""

    open_cpu_s: float
    adopted_cpu_s: float
    adopted_s: float


def measure_start(share: int) -> Iterator[Row]:
    """Yield how soon a daemon answers, beside bare imports, and how soon it has adopted, beside having none."""
    rounds = max(1, _ROUNDS // share)
    names = subprocess.run([sys.executable, "-c", _NAMES], check=True, capture_output=True, timeout=_PATIENCE_S).stdout
    with running(_SETTINGS) as (daemon, _):
        samples = alternate({OURS: lambda: [_start(daemon).open_cpu_s], FLOOR: lambda: [_import_cpu_s(names)]}, rounds)
        yield Row(name="start → API open, CPU", unit="s", values=medians(samples), goals=[Goal(FLOOR, 1.5)])
        none = statistics.median(_start(daemon).adopted_cpu_s for _ in range(rounds))
        yield _weight(daemon, 0)
    for count in _SESSIONS:
        yield from _measure_adoption(max(1, count // share), rounds, none)


def _measure_adoption(count: int, rounds: int, none_cpu_s: float) -> Iterator[Row]:
    """Kill a daemon and let the next one adopt; the floor is a start without sessions."""
    with running(_SETTINGS) as (daemon, line):
        for number in range(count):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
        before = daemon.registry()
        starts = [_start(daemon) for _ in range(rounds)]
        kept = sum(daemon.registry().get(name) == pid for name, pid in before.items())
        weight = _weight(daemon, count)
    cpu_s = statistics.median(each.adopted_cpu_s for each in starts)
    adopted_s = statistics.median(each.adopted_s for each in starts)
    name = "kill -9 → all adopted"
    yield Row(name=f"{name}, CPU", unit="s", values={OURS: cpu_s, FLOOR: none_cpu_s}, sessions=count)
    yield Row(name=name, unit="s", values={OURS: adopted_s}, sessions=count, goals=[Goal("", 1.0)])
    yield Row(name="  adopted of all", unit="", values={OURS: kept / count}, sessions=count, is_more_better=True)
    yield weight


def _weight(daemon: Daemon, count: int) -> Row:
    time.sleep(_REST_S)
    megabytes = _process_of(daemon).memory_info().rss / 1e6
    goal = Goal("", 80 + 0.1 * count)
    return Row(name="RSS after a start", unit="MB", values={OURS: megabytes}, sessions=count, goals=[goal])


def _start(daemon: Daemon) -> Start:
    daemon.kill()
    began_s = time.perf_counter()
    daemon.start(wait=False)
    open_cpu_s = _cpu_s_once(daemon, "/livez")
    adopted_cpu_s = _cpu_s_once(daemon, "/readyz")
    return Start(open_cpu_s=open_cpu_s, adopted_cpu_s=adopted_cpu_s, adopted_s=time.perf_counter() - began_s)


def _cpu_s_once(daemon: Daemon, path: str) -> float:
    """Return what the daemon has used of the processor when this is answered with yes."""
    eventually(_says_yes(daemon, path), within_s=60, every_s=0.005)
    times = _process_of(daemon).cpu_times()
    return times.user + times.system


def _says_yes(daemon: Daemon, path: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return daemon.ask("GET", path).status == 200
        except OSError:
            return False

    return ask


def _process_of(daemon: Daemon) -> psutil.Process:
    assert daemon.process is not None
    return psutil.Process(daemon.process.pid)


def _import_cpu_s(names: bytes) -> float:
    """Return what a program uses of the processor that imports these and does no more."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", _IMPORT], input=names, check=True, stderr=subprocess.DEVNULL, timeout=_PATIENCE_S
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
