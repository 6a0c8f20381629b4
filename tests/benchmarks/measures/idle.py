"""Measures what a minute costs in which nothing happens: without sessions, connected, and waiting for a scan."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from tests.benchmarks.daemons import Line, running
from tests.benchmarks.rows import OURS, Goal, Row
from tests.e2e.peers.daemon import Daemon, eventually

_SESSIONS, _IDLE_S = (1, 50, 200), 60.0
#: How long the measurements and the lists of chats of sessions that have just connected take.
_SETTLED_S = 20.0
_SETTINGS = {"START_CONCURRENCY": "6", "BOOT_TIMEOUT_S": "120", "PAIRING_WINDOW_S": "100000"}
_CPU, _WAKEUPS = "CPU-s/min", "1/s"


def measure_idle(share: int, sessions: Iterable[int] = _SESSIONS) -> Iterable[Row]:
    """Yield what idle daemons take: probes and samples come at the usual pace."""
    idle_s, counts = _IDLE_S / share, [count for count in sessions if share == 1 or count <= _SESSIONS[1]]
    with running({}) as (daemon, _):
        yield from _idle_rows("idle without sessions", 0, daemon, idle_s)
    for count in counts:
        goals = (Goal("", 0.5 * count / 200),) if count >= _SESSIONS[-1] else ()
        yield from _measure("idle, connected", "connected", count, idle_s, {"SIM_AUTO_SCAN_S": "0.5"}, goals)
        yield from _measure("idle, a scan is awaited", "qr_ready", count, idle_s, {})


def _measure(
    name: str, status: str, count: int, idle_s: float, engine_env: Mapping[str, str], goals: tuple[Goal, ...] = ()
) -> Iterable[Row]:
    with running(_SETTINGS, engine_env) as (daemon, line):
        for number in range(count):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
        eventually(lambda: _has_all(line, status, count), within_s=600, every_s=1)
        yield from _idle_rows(name, count, daemon, idle_s, goals)


def _has_all(line: Line, status: str, count: int) -> bool:
    sessions = line.ask("GET", "/v1/system")["sessions"]
    assert isinstance(sessions, dict)
    by_status = sessions["by_status"]
    assert isinstance(by_status, dict)
    return by_status.get(status) == count


def _idle_rows(name: str, count: int, daemon: Daemon, idle_s: float, goals: tuple[Goal, ...] = ()) -> Iterable[Row]:
    assert daemon.process is not None
    pid = daemon.process.pid
    time.sleep(_SETTLED_S)
    before_s, before = _cpu_s(pid), _wakeups(pid)
    time.sleep(idle_s)
    cpu_s, wakeups = (_cpu_s(pid) - before_s) * 60 / idle_s, (_wakeups(pid) - before) / idle_s
    yield Row(name=name, unit=_CPU, values={OURS: cpu_s}, sessions=count, goals=goals)
    yield Row(name=f"{name}: wakeups", unit=_WAKEUPS, values={OURS: wakeups}, sessions=count)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _wakeups(pid: int) -> int:
    """Return how often the threads that live have gone to sleep of their own accord."""
    statuses = ((task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    return sum(int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for status in statuses)
