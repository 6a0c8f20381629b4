"""Measures what a daemon with sessions takes, how soon a killed one has them again, and how soon it stops them."""

import time
from collections.abc import Iterator

import psutil

from tests.benchmarks.daemons import pid_of
from tests.benchmarks.rows import OURS, Goal, Row
from tests.e2e.peers.daemon import Daemon, engines_below, eventually

#: What is left of a start or an adoption has happened by then.
_SETTLED_S = 5.0
_PATIENCE_S = 120.0


def memory_rows(daemon: Daemon, sessions: int) -> Iterator[Row]:
    """Weigh the daemon: all that is in memory for it, and its share of what it shares with others."""
    memory = psutil.Process(pid_of(daemon)).memory_full_info()
    goals = [Goal("", 80 + 0.1 * sessions)]
    yield Row(name="RSS", unit="MB", sessions=sessions, values={OURS: memory.rss / 1e6}, goals=goals)
    if pss_bytes := getattr(memory, "pss", 0):  # Linux only
        yield Row(name="PSS", unit="MB", sessions=sessions, values={OURS: pss_bytes / 1e6})


def idle_cpu_s(daemon: Daemon, seconds: float) -> float:
    """Return what the daemon takes in a minute while nothing happens, in CPU seconds."""
    time.sleep(_SETTLED_S)
    process = psutil.Process(pid_of(daemon))
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 60 / seconds


def recovery_rows(daemon: Daemon, sessions: int) -> Iterator[Row]:
    """Kill the daemon, start it again, and see how soon the new one answers and has every engine, none twice."""
    before = daemon.registry()
    daemon.kill()
    began_s = time.perf_counter()
    daemon.start(wait=False)
    eventually(lambda: is_open(daemon), every_s=0.005)
    opened_s = time.perf_counter() - began_s
    eventually(lambda: daemon.ask("GET", "/readyz").status == 200, within_s=_PATIENCE_S, every_s=0.005)
    adopted_s = time.perf_counter() - began_s
    after = daemon.registry()
    counts = {
        "engines lost": sum(after.get(name) != pid for name, pid in before.items()),
        "engines twice": len(engines_below(daemon.home)) - len(after),
    }
    yield Row(name="kill -9 → API open", unit="s", sessions=sessions, values={OURS: opened_s})
    yield Row(name="kill -9 → all adopted", unit="s", sessions=sessions, values={OURS: adopted_s}, goals=[Goal("", 1)])
    for name, count in counts.items():
        yield Row(name=f"  {name}", unit="count", sessions=sessions, values={OURS: count}, goals=[Goal("", 0)])


def stop_row(daemon: Daemon, sessions: int) -> Row:
    """Stop every session and wait until no engine runs."""
    began_s = time.perf_counter()
    daemon.ask("POST", "/v1/sessions/stop", {})
    eventually(lambda: not daemon.registry(), within_s=_PATIENCE_S, every_s=0.005)
    values = {OURS: time.perf_counter() - began_s}
    goal = Goal("", 0.3 if sessions <= 200 else 1.5)
    return Row(name="stop of all", unit="s", sessions=sessions, values=values, goals=[goal])


def is_open(daemon: Daemon) -> bool:
    """Tell whether the API answers."""
    try:
        return daemon.ask("GET", "/livez").status == 200
    except OSError:
        return False
