"""Measures a daemon whose sessions have engines that speak: simulated OpenWAs, all of them connected."""

from collections.abc import Iterator

from tests.benchmarks.daemons import Line, running
from tests.benchmarks.measures.upkeep import idle_cpu_s, memory_rows, recovery_rows, stop_row
from tests.benchmarks.rows import OURS, Goal, Row
from tests.e2e.peers.daemon import eventually


def measure_scale(sessions: int, idle_s: float) -> Iterator[Row]:
    """Weigh the daemon, kill it, see how soon the next one has them all; leave that alone for `idle_s`, twice."""
    settings = {"START_CONCURRENCY": "6", "BOOT_TIMEOUT_S": "120"}
    with running(settings, {"SIM_AUTO_SCAN_S": "0.5"}) as (daemon, line):
        for number in range(sessions):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
        eventually(lambda: _connected(line) == sessions, within_s=600, every_s=1)
        yield from memory_rows(daemon, sessions)
        yield from recovery_rows(daemon, sessions)
        values, goal = {OURS: idle_cpu_s(daemon, idle_s)}, Goal("", 0.5 * max(1.0, sessions / 200))
        yield Row(name="idle with probes and samples", unit="CPU-s/min", sessions=sessions, values=values, goals=[goal])
        daemon.kill()
        daemon.start(settings={"PROBE_PERIOD_S": "1000000"})  # the samples come at the same pace
        values = {OURS: idle_cpu_s(daemon, idle_s)}
        yield Row(name="idle without probes", unit="CPU-s/min", sessions=sessions, values=values)
        yield stop_row(daemon, sessions)


def _connected(line: Line) -> int:
    by_status = line.ask("GET", "/v1/system")["sessions"]
    assert isinstance(by_status, dict)
    counts = by_status["by_status"]
    assert isinstance(counts, dict)
    return int(str(counts.get("connected", 0)))
