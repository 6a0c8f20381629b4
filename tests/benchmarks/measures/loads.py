"""Measures what a caller notices of pollers, readers of events, a busy group chat and crashes; checks the promises."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psutil

from tests.benchmarks.daemons import pid_of, running
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, medians, percentiles
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually, steer
from tests.e2e.peers.upstream import SECRET
from tests.fakes.ports import free_ports
from tests.fakes.process import ending
from tests.soak.attack import program
from tests.soak.servers import NEIGHBOUR

_POLLERS, _READERS, _NORMAL = 200, 50, 4
_GROUP, _CRASHING, _QUIET = f"{NEIGHBOUR}-group", f"{NEIGHBOUR}-crashing", f"{NEIGHBOUR}-0"
#: The group chat's messages come so many at a time, which is 300 a second; more than an engine may post without being
#: told to try again, so that is part of it. They stop early, and what was turned away comes meanwhile.
_FLOOD, _FLOOD_EVERY_S, _FLOODS_SHARE = 30, 0.1, 0.5
_RECEIVED_EVERY_S, _CRASH_EVERY_S, _LOOK_EVERY_S = 0.25, 3.0, 0.5
_PROBE_S = 2.0
_EVENTS = "/v1/events?type=message.received&after=0"
#: A reader that takes nothing is cut after 30 s.
_SECONDS, _PEACE_S = 42.0, 6.0
_DELIVERED_WITHIN_S = 120.0
_SETTINGS = {
    "PROBE_PERIOD_S": str(_PROBE_S),
    "RATE_PER_S": "10000",
    "RATE_BURST": "100000",
    "ALLOW_PRIVATE_ENDPOINTS": "true",
    "UPSTREAM_SECRET": SECRET,
}


@dataclass(slots=True)
class _Seen:
    """What was done and seen while the load went on; `received` counts what each session was sent."""

    received: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    kill_count: int = 0
    replaced_s: list[float] = field(default_factory=list)
    probes_at: set[str] = field(default_factory=set)
    rss_bytes: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Told:
    """What the callers tell once they have ended: of one caller's calls, of the pollers' and of the readers'."""

    calls: Mapping[str, Any]
    polls: Mapping[str, Any]
    reads: Mapping[str, Any]


def measure_loads(share: int) -> Iterator[Row]:
    """Ask for an uninvolved session in peace and then beside all of it, and see what became of everybody."""
    seconds = _SECONDS if share == 1 else 12.0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openwa-bench-")))
        (port,) = free_ports(1)
        arrived = folder / "arrived"
        stack.enter_context(program("tests.soak.servers", "receiver", str(port), str(arrived)))
        url = f"http://127.0.0.1:{port}/webhooks/openwa"
        daemon, _ = stack.enter_context(running({**_SETTINGS, "UPSTREAM_URL": url}, SCANNED))
        load = _Load(daemon, _connect(daemon))
        with _crowd(daemon, "call", f"/v1/sessions/{_QUIET}", 1, _PEACE_S) as peace:
            alone_s = peace()["times_s"]
        told = load.play(seconds)
        eventually(lambda: _has_come(arrived, load.seen.received), within_s=_DELIVERED_WITHIN_S, every_s=1)
        came = _came(arrived)
        with _crowd(daemon, "read", _EVENTS, 2, 0.0) as reads:
            every = reads()["slow"]
    samples = {OURS: told.calls["times_s"], FLOOR: alone_s}
    words = f"a caller beside {_POLLERS} pollers, {_READERS} readers, 300 messages/s (floor: alone)"
    yield Row(name=f"{words}, median", unit="ms", values=medians(samples, 1000))
    yield Row(name=f"{words}, p99", unit="ms", values=percentiles(samples, 99, 1000))
    yield from _rows(load.seen, told, came, every)
    if share == 1:
        yield _count("  cuts of who reads only at the end", told.reads["cuts"]["never"], 1, is_more_better=True)


def _connect(daemon: Daemon) -> Mapping[str, Path]:
    """Create the sessions; return where each one's engine is steered."""
    names = [_GROUP, _CRASHING, *(f"{NEIGHBOUR}-{number}" for number in range(_NORMAL))]
    for name in names:
        daemon.create(name)
    return {name: Path(daemon.until(name, "connected", within_s=60).text("socket")) for name in names}


@dataclass(slots=True)
class _Load:
    """A daemon and all that goes on around it; `sockets` are where the engines are steered."""

    daemon: Daemon
    sockets: Mapping[str, Path]
    seen: _Seen = field(default_factory=_Seen)
    _number: int = 0
    _flooded_until_s: float = 0.0

    def play(self, seconds: float) -> _Told:
        """Let all of it go on for so long; return what the callers tell."""
        ended, failures = threading.Event(), list[BaseException]()
        works: Mapping[Callable[[], None], float] = {
            self._flood: _FLOOD_EVERY_S,
            self._receive: _RECEIVED_EVERY_S,
            self._crash: _CRASH_EVERY_S,
            self._look: _LOOK_EVERY_S,
        }
        threads = [
            threading.Thread(target=_repeat, args=(work, every_s, ended, failures), daemon=True)
            for work, every_s in works.items()
        ]
        path = "/v1/sessions?limit=1000"
        with (
            _crowd(self.daemon, "read", _EVENTS, _READERS, seconds) as reads,
            _crowd(self.daemon, "poll", path, _POLLERS, seconds) as polls,
            _crowd(self.daemon, "call", f"/v1/sessions/{_QUIET}", 1, seconds) as calls,
        ):
            time.sleep(1.0)  # until the readers are there
            self._flooded_until_s = time.monotonic() + seconds * _FLOODS_SHARE
            for thread in threads:
                thread.start()
            ended.wait(seconds - 2.0)
            ended.set()
            for thread in threads:
                thread.join(30)
            assert failures == []
            return _Told(calls(), polls(), reads())

    def _flood(self) -> None:
        if time.monotonic() > self._flooded_until_s:
            return
        steer(self.sockets[_GROUP], f"flood?n={_FLOOD}")
        self.seen.received[_GROUP] += _FLOOD

    def _receive(self) -> None:
        self._number += 1
        name = f"{NEIGHBOUR}-{self._number % _NORMAL}"
        steer(self.sockets[name], f"receive?text=no.{self._number}")
        self.seen.received[name] += 1

    def _crash(self) -> None:
        pid = self.daemon.registry()[_CRASHING]
        began_s = time.perf_counter()
        os.kill(pid, SIGKILL)
        self.seen.kill_count += 1
        eventually(lambda: self.daemon.registry().get(_CRASHING, pid) != pid, every_s=0.01)
        self.seen.replaced_s.append(time.perf_counter() - began_s)

    def _look(self) -> None:
        self.seen.probes_at.add(str(self.daemon.ask("GET", f"/v1/sessions/{_QUIET}/why").body["next_probe_at"]))
        self.seen.rss_bytes.append(psutil.Process(pid_of(self.daemon)).memory_info().rss)


def _repeat(work: Callable[[], None], every_s: float, ended: threading.Event, failures: list[BaseException]) -> None:
    due_s = time.monotonic()
    while not ended.wait(max(0.0, due_s - time.monotonic())):
        try:
            work()
        except (OSError, AssertionError, KeyError) as error:
            failures.append(error)
            return
        due_s += every_s


@contextmanager
def _crowd(
    daemon: Daemon, kind: str, path: str, count: int, seconds: float
) -> Iterator[Callable[[], Mapping[str, Any]]]:
    """Run callers, and yield what waits for them and returns what they tell."""
    # A unix socket holds less that is not read than TCP does, so a reader is sooner late.
    address = str(daemon.home / "run" / "manager.sock") if kind == "read" else f"127.0.0.1:{daemon.port}"
    words = [kind, address, daemon.key, path, str(count), str(seconds)]
    argv = [sys.executable, "-m", "tests.benchmarks.measures.crowd", *words]
    with ending(subprocess.Popen(argv, stdout=subprocess.PIPE)) as process:
        yield partial(_tell, process)


def _tell(process: subprocess.Popen[bytes]) -> Mapping[str, Any]:
    told, _ = process.communicate(timeout=_DELIVERED_WITHIN_S)
    answer: dict[str, Any] = json.loads(told)
    return answer


def _came(arrived: Path) -> Mapping[str, list[int]]:
    """Return the number of each message that came, by session and each once, in the order of its first arrival."""
    found: dict[str, dict[int, None]] = defaultdict(dict)
    for line in arrived.read_text("utf-8").splitlines():
        if line.endswith("}"):
            told = json.loads(line)
            assert told["is_signed"], line
            if told["type"] == "message.received":
                found[told["session"]][told["seq"]] = None
    return {session: [*numbers] for session, numbers in found.items()}


def _has_come(arrived: Path, received: Mapping[str, int]) -> bool:
    came = _came(arrived)
    return all(len(came.get(session, ())) >= count for session, count in received.items())


def _rows(seen: _Seen, told: _Told, came: Mapping[str, Sequence[int]], every: Sequence[int]) -> Iterator[Row]:
    """Yield what became of all; `every` is each event's number as a reader is told it who reads in peace."""
    lost = sum(count - len(came.get(session, ())) for session, count in seen.received.items())
    unordered = sum(later < earlier for numbers in came.values() for earlier, later in pairwise(numbers))
    refused = sum(count for status, count in told.polls["statuses"].items() if status not in ("200", "304"))
    yield _count(f"  lost of {sum(seen.received.values())} messages", abs(lost), 0)
    yield _count("  not to be read as events", sum(map(len, came.values())) - len(every), 0)
    yield _count("  delivered out of order", unordered, 0)
    yield _count("  polls refused", refused, 0)
    yield _count("  engines killed and not replaced", seen.kill_count - len(seen.replaced_s), 0)
    yield Row(name="  killed → replaced, median", unit="ms", values=medians({OURS: seen.replaced_s}, 1000))
    wanted = len(seen.rss_bytes) * _LOOK_EVERY_S / _PROBE_S / 2
    yield _count("  probes of a session meanwhile", len(seen.probes_at), wanted, is_more_better=True)
    reads = told.reads
    readers = {"slow": [reads["slow"]], "that reads only at the end": [reads["never"]], "quick": reads["quick"]}
    until = max(numbers[-1] for each in readers.values() for numbers in each if numbers)
    for kind, each in readers.items():
        missed = sum(_missed(numbers, every, until) for numbers in each)
        yield _count(f"  missed by a reader, {kind}", missed, 0)
    yield _count("  quick readers cut", told.reads["cuts"]["quick"], 0)
    values = {OURS: max(seen.rss_bytes) / 1e6, FLOOR: seen.rss_bytes[0] / 1e6}
    yield Row(name="  RSS at most (floor: at first)", unit="MB", values=values, goals=[Goal("", 200)])


def _missed(numbers: Sequence[int], every: Sequence[int], until: int) -> int:
    """Return how many events a reader was not sent up to the last that any was, or was sent twice or out of order."""
    wanted = {number for number in every if number <= until}
    return len(wanted - {*numbers}) + sum(later <= earlier for earlier, later in pairwise(numbers))


def _count(name: str, value: float, goal: float, *, is_more_better: bool = False) -> Row:
    goals = [Goal("", goal)]
    return Row(name=name, unit="count", values={OURS: value}, is_more_better=is_more_better, goals=goals)
