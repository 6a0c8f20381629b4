"""What each operation costs with few sessions and with many: it grows no faster than their number."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

import psutil

from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr
from tests.benchmarks.daemons import SLEEPER, Line, running
from tests.benchmarks.rows import OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports

SIZES = (50, 200, 1000)
#: Engines that answer probes are whole Python processes: fewer of them.
SIMULATED_SIZES = (50, 200)
#: No engine is restarted for want of a code, and all of them find a port.
_PATIENT = {"LINK_INITIALIZING_S": "100000", "PAIRING_WINDOW_S": "100000", "ENGINE_PORTS": "10000-11999"}
_SETTLE_S, _IDLE_S = 3.0, 20.0
#: Twice the sessions may cost twice as much, and a little for what a busy machine adds.
LINEAR = 1.15


def measure_growth(share: int) -> Iterator[Row]:
    """Measure everything at each size, with `/bin/sleep` as engine; idle with probes with simulators.

    The last rows tell the exponent of each cost between the smallest and the largest size: 1 is linear, 0 is flat.
    """
    rows: list[Row] = []
    for row in chain(*(_measure(sessions // share, share) for sessions in SIZES), _measure_probed(share)):
        rows.append(row)
        yield row
    yield from growth_of(rows)


def growth_of(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each name with the exponent between its least and its most sessions."""
    by_name: dict[str, dict[int, float]] = {}
    for row in rows:
        by_name.setdefault(row.name, {})[row.sessions] = row.values[OURS]
    for name, values in by_name.items():
        few, many = min(values), max(values)
        if few < many and values[few] > 0 and values[many] > 0:
            exponent = math.log(values[many] / values[few]) / math.log(many / few)
            goals = (Goal(against="", factor=LINEAR),)
            yield Row(name=f"growth of: {name}", unit="exponent", values={OURS: exponent}, sessions=many, goals=goals)


def _measure(sessions: int, share: int) -> Iterator[Row]:
    def row(name: str, unit: str, value: float) -> Row:
        return Row(name=name, unit=unit, values={OURS: value}, sessions=sessions)

    with Upstream(free_ports(1)[0]) as upstream, running({**SLEEPER, **_PATIENT}) as (daemon, line):
        before_s = _used_s(daemon)
        created_s = {OURS: [_create(line, number) for number in range(sessions)]}
        yield row("create", "CPU ms", (_used_s(daemon) - before_s) / sessions * 1000)
        yield row("create → running, median", "ms", medians(created_s, 1000)[OURS])
        yield row("create → running, p99", "ms", percentiles(created_s, 99, 1000)[OURS])
        for name, path, count in (
            ("status of one", f"/v1/sessions/s{sessions // 2}", 300),
            ("status of all", "/v1/sessions?limit=1000", 30),
            ("metrics scrape", "/metrics", 30),
        ):
            yield row(name, "CPU ms", _cpu_s(daemon, partial(daemon.ask, "GET", path), count // share) * 1000)
        yield row("RSS", "MB", _process(daemon).memory_info().rss / 1e6)
        yield row("kill -9 → all adopted", "s", _adopt(daemon, upstream.settings, sessions))
        yield row("kill -9 → all adopted, CPU", "CPU s", _used_s(daemon))
        pushed_s = {OURS: [_push(daemon, upstream, number) for number in range(30 // share)]}
        yield row("qr.png → POST, median", "ms", medians(pushed_s, 1000)[OURS])
        yield row("idle, unpaired", "CPU-s/min", _idle_cpu_s(daemon, _IDLE_S / share))
        before_s = _used_s(daemon)
        yield row("stop of all", "s", _stop(daemon))
        yield row("stop of all, CPU", "CPU s", _used_s(daemon) - before_s)


def _measure_probed(share: int) -> Iterator[Row]:
    settings = {"START_CONCURRENCY": "6", "BOOT_TIMEOUT_S": "120"}
    for sessions in [size // share for size in SIMULATED_SIZES]:
        with running(settings, SCANNED) as (daemon, line):
            for number in range(sessions):
                _create(line, number)
            eventually(lambda: _connected(daemon) == sessions, within_s=600, every_s=1)  # noqa: B023 (called here)
            values = {OURS: _idle_cpu_s(daemon, 2 * _IDLE_S / share)}
        yield Row(name="idle, with probes (simulators)", unit="CPU-s/min", values=values, sessions=sessions)


def _process(daemon: Daemon) -> psutil.Process:
    assert daemon.process is not None
    return psutil.Process(daemon.process.pid)


def _create(line: Line, number: int) -> float:
    """Return how long it took until its process ran, in seconds."""
    began = time.perf_counter()
    answer = line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
    took_s = time.perf_counter() - began
    if answer["pid"] is not None:
        os.kill(int(str(answer["pid"])), 0)
    return took_s


def _connected(daemon: Daemon) -> int:
    scraped = daemon.ask("GET", "/metrics").raw.decode().splitlines()
    words = 'openwa_manager_sessions{status="connected"}'
    return next(int(float(each.split()[-1])) for each in scraped if each.startswith(words))


def _cpu_s(daemon: Daemon, work: Callable[[], object], count: int) -> float:
    """Return the daemon's CPU time for one of so many calls."""
    work()
    before_s = _used_s(daemon)
    for _ in range(count):
        work()
    return (_used_s(daemon) - before_s) / count


def _used_s(daemon: Daemon) -> float:
    """Return the CPU time that the daemon has taken since its start."""
    times = _process(daemon).cpu_times()
    return times.user + times.system


def _adopt(daemon: Daemon, settings: Mapping[str, str], sessions: int) -> float:
    """Kill the daemon and return after how many seconds the next one has every engine."""
    before = daemon.registry()
    assert len(before) == sessions, f"{len(before)} of {sessions} run"
    daemon.kill()
    began = time.perf_counter()
    daemon.start(wait=False, settings=settings)
    eventually(lambda: _is_ready(daemon), within_s=300, every_s=0.02)
    took_s = time.perf_counter() - began
    assert daemon.registry() == before
    return took_s


def _is_ready(daemon: Daemon) -> bool:
    try:
        return daemon.ask("GET", "/readyz").status == 200
    except OSError:
        return False


def _push(daemon: Daemon, upstream: Upstream, number: int) -> float:
    """Rename an image into a session's place, and return how long its POST took to come."""
    directory = daemon.home / "sessions" / "s0"
    fresh = directory / "fresh.png"
    fresh.write_bytes(draw_png(encode_qr(f"2@round-{number}".encode())))
    began = time.perf_counter()
    fresh.replace(directory / "qr.png")
    eventually(lambda: len(upstream.of("s0", "session.qr")) > number, every_s=0.0005)
    return time.perf_counter() - began


def _idle_cpu_s(daemon: Daemon, seconds: float) -> float:
    """Return what the daemon takes in a minute while nothing happens, in CPU seconds."""
    time.sleep(_SETTLE_S)
    before_s = _used_s(daemon)
    time.sleep(seconds)
    return (_used_s(daemon) - before_s) * 60 / seconds


def _stop(daemon: Daemon) -> float:
    """Stop all sessions, and return how long it took until no engine was left, in seconds."""
    began = time.perf_counter()
    daemon.ask("POST", "/v1/sessions/stop", {})
    eventually(lambda: not daemon.registry(), within_s=300, every_s=0.05)
    return time.perf_counter() - began
