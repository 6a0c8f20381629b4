"""Measures a daemon whose sessions have engines that speak: simulated OpenWAs, all of them connected."""

from collections.abc import Iterator
from dataclasses import replace

from tests.benchmarks.daemons import Line, running
from tests.benchmarks.measures.status import fill
from tests.benchmarks.measures.upkeep import Upkeep
from tests.benchmarks.rows import Row
from tests.e2e.peers.daemon import eventually

_SETTINGS = {"START_CONCURRENCY": "6", "BOOT_TIMEOUT_S": "120"}


def measure_scale(sessions: int, idle_s: float) -> Iterator[Row]:
    """Leave a daemon alone without sessions; then weigh one with them, leave it alone, kill it, stop all."""
    with running({}) as (daemon, _):
        yield Upkeep(daemon, 0).idle("idle without sessions", idle_s / 2)
    with running(_SETTINGS, {"SIM_AUTO_SCAN_S": "0.5"}) as (daemon, line):
        fill(line, sessions)
        eventually(lambda: _connected(line) == sessions, within_s=600, every_s=1)
        upkeep = Upkeep(daemon, sessions)
        for row in upkeep.memory():
            yield _of_connected(row)
        yield upkeep.idle("idle, connected, with probes and samples", idle_s, 0.5 * sessions / 200)
        for row in upkeep.recovery():
            yield _of_connected(row)
        daemon.kill()
        daemon.start(settings={"PROBE_PERIOD_S": "1000000"})  # the samples come at the same pace
        yield upkeep.idle("idle, connected, without probes", idle_s / 2)
        for row in upkeep.stops():
            yield replace(_of_connected(row), goals=())  # an engine's own end takes part of that time


def _of_connected(row: Row) -> Row:
    return row if row.name.startswith("  ") else replace(row, name=f"{row.name}, connected")


def _connected(line: Line) -> int:
    by_status = line.ask("GET", "/v1/system")["sessions"]
    assert isinstance(by_status, dict)
    counts = by_status["by_status"]
    assert isinstance(counts, dict)
    return int(str(counts.get("connected", 0)))
