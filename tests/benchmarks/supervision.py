"""What a supervisor is measured by: how soon a process runs, is replaced, is adopted; how soon a code is pushed."""

import http.client
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from openwa_manager.domain.delivery.events import Json
from openwa_manager.simulator.whatsapp.png import draw_png
from openwa_manager.simulator.whatsapp.qrcode import encode_qr
from tests.e2e.peers.daemon import Daemon, UnixConnection, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports

#: An engine that costs nothing, so that only the daemon is measured.
SLEEPER = {"ENGINE": "command", "COMMAND_ARGV": '["/bin/sleep", "100000"]', "START_CONCURRENCY": "1000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; `times_s` are the single measurements, `text` stands for what is no time."""

    name: str
    goal: str
    times_s: Sequence[float] = ()
    text: str = ""

    def row(self) -> tuple[str, str, str]:
        """Return name, measurement and goal."""
        return self.name, self.text or spread(self.times_s), self.goal


def spread(times_s: Sequence[float]) -> str:
    """Return median and 99th percentile of some times, in words."""
    ordered = sorted(time_s * 1000 for time_s in times_s)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return f"median {statistics.median(ordered):.1f} ms, p99 {p99:.1f} ms (n={len(ordered)})"


class Line:
    """A connection to the daemon that stays open, so that no measurement pays for a new one."""

    def __init__(self, daemon: Daemon) -> None:
        self._connection: http.client.HTTPConnection = UnixConnection(daemon.home / "run" / "manager.sock")
        self._key = {"X-API-Key": daemon.key}

    def ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> dict[str, Json]:
        """Return the answer to one call."""
        raw = None if body is None else json.dumps(body).encode()
        headers = self._key if body is None else {**self._key, "Content-Type": "application/json"}
        self._connection.request(method, path, raw, headers)
        answer: dict[str, Json] = json.loads(self._connection.getresponse().read())
        return answer


@contextmanager
def running(
    settings: Mapping[str, str], engine_env: Mapping[str, str] | None = None, disk: Path | None = None
) -> Iterator[tuple[Daemon, Line]]:
    """Run a daemon on a home of its own, on this disk (None: where temporary files are)."""
    quiet = {"LOG_LEVEL": "warning", **settings}
    with (
        tempfile.TemporaryDirectory(prefix="openwa-bench-", dir=disk) as folder,
        Daemon(home=Path(folder) / "home", settings=quiet, engine_env=engine_env or {}) as daemon,
    ):
        yield daemon, Line(daemon)


def measure_creation(sessions: int) -> list[Figure]:
    """Create sessions one after the other; the answer comes once the commit is durable and the process runs."""
    times_s: list[float] = []
    with running(SLEEPER) as (_, line):
        for number in range(sessions):
            began = time.perf_counter()
            answer = line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
            times_s.append(time.perf_counter() - began)
            assert isinstance(answer["pid"], int), answer
            os.kill(answer["pid"], 0)
    half = len(times_s) // 2
    return [
        Figure(name="create → process runs, durable", goal="≤ 5 ms median, 10 ms p99", times_s=times_s),
        Figure(name=f"  of those the last {half}", goal="flat up to 200", times_s=times_s[half:]),
    ]


def measure_replacement(rounds: int) -> list[Figure]:
    """Kill an engine and look at the daemon's children until there is another; the backoff is 0.

    The API is not asked: a caller in a tight loop would take the processor the replacement needs.
    """
    times_s: list[float] = []
    with running(SLEEPER) as (daemon, _):
        pid = daemon.create("acme").number("pid")
        assert daemon.process is not None
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        for _ in range(rounds):
            began = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            while not {int(child) for child in children.read_text().split()} - {pid}:
                time.sleep(0.0002)
            times_s.append(time.perf_counter() - began)
            former = pid
            pid = eventually(lambda: found if (found := daemon.registry().get("acme")) not in (None, former) else 0)  # noqa: B023
    return [Figure(name="kill -9 → replacement runs", goal="≤ 5 ms median", times_s=times_s), _measure_lateness(rounds)]


def _measure_lateness(rounds: int) -> Figure:
    """Kill an engine under a back-off and compare when the daemon said it would restart with when it did."""
    late_s: list[float] = []
    with running({**SLEEPER, "BACKOFF_FIRST_S": "0.3", "BACKOFF_MAX_S": "0.3"}) as (daemon, _):
        pid = daemon.create("acme").number("pid")
        assert daemon.process is not None
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        for _ in range(min(rounds, 30)):
            os.kill(pid, signal.SIGKILL)
            said = eventually(lambda: _next_restart_at(daemon))
            while not {int(child) for child in children.read_text().split()} - {pid}:
                time.sleep(0.0002)
            late_s.append(time.time() - said)  # noqa: TID251 (compared with what the daemon said)
            former = pid
            pid = eventually(lambda: found if (found := daemon.registry().get("acme")) not in (None, former) else 0)  # noqa: B023
    return Figure(name="  end of a back-off → it runs", goal="≤ 5 ms median", times_s=late_s)


def _next_restart_at(daemon: Daemon) -> float:
    """Return when the engine is to be started again, wall time; 0 while nothing is planned."""
    restarts = daemon.session("acme").body["restarts"]
    assert isinstance(restarts, dict)
    return datetime.fromisoformat(str(restarts["next_at"])).timestamp() if restarts["next_at"] else 0.0


def measure_qr_push(rounds: int) -> list[Figure]:
    """Rename an image into place and wait for its POST."""
    times_s: list[float] = []
    with (
        Upstream(free_ports(1)[0]) as upstream,
        running({**SLEEPER, **upstream.settings, "PAIRING_WINDOW_S": "1000"}) as (daemon, _),
    ):
        daemon.create("acme")
        directory = daemon.home / "sessions" / "acme"
        for number in range(rounds):
            fresh = directory / "fresh.png"
            fresh.write_bytes(draw_png(encode_qr(f"2@round-{number}".encode())))
            began = time.perf_counter()
            fresh.replace(directory / "qr.png")
            eventually(lambda: len(upstream.of("acme", "session.qr")) > number, every_s=0.0005)  # noqa: B023
            times_s.append(time.perf_counter() - began)
    return [Figure(name="qr.png renamed → POST received", goal="≤ 250 ms p99", times_s=times_s)]


def measure_scale(sessions: int, idle_s: float) -> list[Figure]:
    """Run many simulated OpenWAs; weigh the daemon, kill it, and see how soon the next one has them all.

    Then leave them alone for `idle_s`, twice, and stop them.
    """
    settings = {"START_CONCURRENCY": "6", "BOOT_TIMEOUT_S": "120"}
    with running(settings, {"SIM_AUTO_SCAN_S": "0.5"}) as (daemon, line):
        for number in range(sessions):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
        eventually(lambda: _connected(line) == sessions, within_s=600, every_s=1)
        assert daemon.process is not None
        rss_bytes = psutil.Process(daemon.process.pid).memory_info().rss
        before = daemon.registry()
        daemon.kill()
        began = time.perf_counter()
        daemon.start(wait=False)
        eventually(lambda: _is_open(daemon), every_s=0.005)
        opened_s = time.perf_counter() - began
        eventually(lambda: daemon.ask("GET", "/readyz").status == 200, every_s=0.005)
        adopted_s = time.perf_counter() - began
        kept = sum(daemon.registry().get(name) == pid for name, pid in before.items())
        watched_s = _idle_cpu_s(daemon, idle_s)
        daemon.kill()
        daemon.start(settings={"PROBE_PERIOD_S": "1000000"})  # the samples come at the same pace
        unwatched_s = _idle_cpu_s(daemon, idle_s)
        began = time.perf_counter()
        daemon.ask("POST", "/v1/sessions/stop", {})
        eventually(lambda: not daemon.registry(), within_s=60, every_s=0.005)
        stopped_s = time.perf_counter() - began
    return [
        Figure(name=f"daemon with {sessions} simulators", goal="≤ 80 MB RSS", text=f"{rss_bytes / 1e6:.1f} MB"),
        Figure(name=f"kill -9 with {sessions} → API open", goal="≤ 1 s", text=f"{opened_s:.2f} s"),
        Figure(name=f"  → {kept} of {sessions} adopted", goal="all", text=f"{adopted_s:.2f} s"),
        Figure(name="idle, with probes and samples", goal="≤ 2", text=f"{watched_s:.2f} CPU-s a minute"),
        Figure(name="  without them", goal="≤ 0.1", text=f"{unwatched_s:.2f} CPU-s a minute"),
        Figure(name=f"stop of {sessions}", goal="≤ 1 s", text=f"{stopped_s:.2f} s"),
    ]


def _idle_cpu_s(daemon: Daemon, seconds: float) -> float:
    """Return what the daemon takes in a minute while nothing happens."""
    assert daemon.process is not None
    process = psutil.Process(daemon.process.pid)
    time.sleep(5)  # the adoption is over, but its last measurements are not
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 60 / seconds


def _connected(line: Line) -> int:
    by_status = line.ask("GET", "/v1/system")["sessions"]
    assert isinstance(by_status, dict)
    counts = by_status["by_status"]
    assert isinstance(counts, dict)
    return int(str(counts.get("connected", 0)))


def _is_open(daemon: Daemon) -> bool:
    try:
        return daemon.ask("GET", "/livez").status == 200
    except OSError:
        return False
