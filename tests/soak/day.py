"""Plays what a day brings to some sessions in minutes, and tells whether the daemon stays as large as it was."""

import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import psutil

from tests.benchmarks.machine import load
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually, steer
from tests.e2e.peers.upstream import SECRET
from tests.fakes.ports import free_ports
from tests.soak.attack import program
from tests.soak.series import Series, table
from tests.soak.servers import NEIGHBOUR

_MB = 1_000_000
_PYTHON = (sys.executable, "-m")
#: What a day brings to each session, beside a probe every 15 s and a heartbeat every minute.
PROBES, HEARTBEATS, RECEIVED, SENT, RESTARTS, LOOKS = 5760, 1440, 2000, 200, 2, 100
#: The usual periods, which are settings, in seconds.
_PROBE_S, _HEARTBEAT_S = 15.0, 60.0
#: How much of the time it takes is kept of what is kept for days, so that most of what came is forgotten again.
_KEPT_SHARE = 1 / 12
#: Sessions that are never scanned show a code after the other until their window ends; then they are started again.
_PAIRING, _ROTATE_S, _WINDOW_S = 2, 0.5, 10.0
#: How long it may take after the end until everything is delivered.
_DELIVERED_WITHIN_S = 240.0
#: How long a call that is under way at the end may take.
_CALL_WITHIN_S = 90.0
#: A chat that has written in, so that no cap on first contacts holds a message to it.
_CHAT = "+628111222333"
_FLOOD = 20


@dataclass(kw_only=True)
class Day:
    """What is played in so many seconds, a whole day's or that of some hours, and what was seen."""

    session_count: int
    seconds: float
    hours: float = 24.0
    series: list[Series] = field(default_factory=lambda: [*figures()])
    asked: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    @property
    def factor(self) -> float:
        """Return how much faster than usual time passes."""
        return self.hours * 3600 / self.seconds

    def total(self, per_session: int) -> int:
        """Return how often something happens in all that happens to one session so often a day."""
        return round(self.session_count * per_session * self.hours / 24)

    def failures(self) -> list[str]:
        """Return what did not hold; what the machine was too slow for is no failure."""
        arrived = {"message.received": self.asked["received"], "message.sent": self.asked["sent"]}
        return [
            *(f"{each.name} rises by {each.rise() / each.scale:.2f}" for each in self.series if not each.is_flat()),
            *self._short_of(arrived),
            *([] if self.is_overloaded() else self.shortfalls()),
            *self.errors[:5],
        ]

    def shortfalls(self) -> list[str]:
        """Return of what there was less than half of what a quiet machine fits into the time."""
        expected = {
            "session.qr": round(_PAIRING * self.seconds / _ROTATE_S / 4),
            "session.heartbeat": self.total(HEARTBEATS) // 2,
            "probes": self.total(PROBES) // 2,
        }
        return self._short_of(expected)

    def is_overloaded(self) -> bool:
        """Tell whether more wanted to run than there are cores, when it began or on average until it ended."""
        cores = os.cpu_count() or 1
        return bool(self.loads) and (self.loads[0] > cores or fmean(self.loads) > cores)

    def verdict(self) -> str:
        """Return HELD, FAILED, or MACHINE TOO SLOW: nothing failed, but too little was done to know."""
        if self.failures():
            return "FAILED"
        return "MACHINE TOO SLOW" if self.shortfalls() else "HELD"

    def _short_of(self, expected: Mapping[str, int]) -> list[str]:
        return [f"{name}: {self.came[name]} of {count}" for name, count in expected.items() if self.came[name] < count]

    def report(self) -> Iterator[str]:
        """Yield a table of all that was seen, the verdict last."""
        yield from table(self.series)
        yield f"asked for: {dict(self.asked)}"
        yield f"came of it: {dict(self.came.most_common())}"
        probes, beats = self.came["probes"], self.came["session.heartbeat"]
        shares = (
            f"{probes / self.total(PROBES):.0%} of the probes, {beats / self.total(HEARTBEATS):.0%} of the heartbeats"
        )
        yield f"of what an idle machine fits in: {shares}"
        if self.loads:
            yield f"load: {self.loads[0]:.1f} at first, {fmean(self.loads):.1f} on average, {os.cpu_count()} cores"
        yield from (f"FAILED: {each}" for each in self.failures())
        yield from (f"too little: {each}" for each in self.shortfalls())
        yield self.verdict()


def figures() -> Iterator[Series]:
    """Yield what is watched, with how far each may rise from the first quarter to the end."""
    yield Series(name="RSS, MB", share=0.03, allowance=3 * _MB, scale=_MB)
    yield Series(name="open descriptors", share=0.05, allowance=3)
    yield Series(name="threads", share=0.05, allowance=2)
    yield Series(name="asyncio tasks", share=0.05, allowance=10)
    yield Series(name="objects, thousands", share=0.03, allowance=5000, scale=1000)
    yield Series(name="write-ahead log, MB", share=0.2, allowance=2 * _MB, scale=_MB)
    yield Series(name="database, MB", share=0.1, allowance=2 * _MB, scale=_MB)


def play(day: Day, dice: random.Random) -> None:
    """Play it, and note what is seen."""
    day.loads.append(load())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="owd-", ignore_cleanup_errors=True)))
        (port,) = free_ports(1)
        stack.enter_context(program("tests.soak.servers", "receiver", str(port), str(folder / "arrived")))
        daemon = stack.enter_context(_daemon(folder, f"http://127.0.0.1:{port}/webhooks/openwa", day))
        names = [f"{NEIGHBOUR}-{number}" for number in range(day.session_count)]
        pairing = [f"{NEIGHBOUR}-unpaired-{number}" for number in range(_PAIRING)]
        for name in names:
            daemon.create(name)
        for name in pairing:
            daemon.create(name, env={"SIM_AUTO_SCAN_S": "", "SIM_QR_ROTATE_S": str(_ROTATE_S)})
        for name in names:
            daemon.until(name, "connected", within_s=120)
        sockets = {name: Path(daemon.session(name).text("socket")) for name in names[:-1]}
        callers = _Callers(day=day, daemon=daemon, sockets=sockets, restarted=names[-1], pairing=pairing, dice=dice)
        with callers.at_work():
            _watch(day, daemon, folder / "held")
        with suppress(AssertionError):
            eventually(lambda: has_come(day, folder / "arrived"), within_s=_DELIVERED_WITHIN_S, every_s=2)
        day.errors += [line[:400] for line in daemon.log.splitlines() if '"level": "error"' in line]


def _daemon(folder: Path, upstream: str, day: Day) -> Daemon:
    kept_s = day.seconds * _KEPT_SHARE
    settings = {
        "PROBE_PERIOD_S": str(_PROBE_S / day.factor),
        "HEARTBEAT_S": str(_HEARTBEAT_S / day.factor),
        "PAIRING_WINDOW_S": str(_WINDOW_S),
        "MESSAGE_GAP_MIN_S": "0",
        "MESSAGE_GAP_MAX_S": "0",
        "MESSAGE_BODY_RETENTION_S": str(kept_s / 2),
        "MESSAGE_RETENTION_S": str(kept_s),
        "LOG_LEVEL": "warning",
        "ALLOW_PRIVATE_ENDPOINTS": "true",
        "UPSTREAM_URL": upstream,
        "UPSTREAM_SECRET": SECRET,
    }
    return Daemon(
        home=folder / "home",
        settings=settings,
        engine_env={**SCANNED, "SIMULATE_TYPING": "false"},
        run_by=(*_PYTHON, "tests.soak.hurried", str(day.factor), str(kept_s), str(folder / "held")),
    )


@dataclass(kw_only=True)
class _Callers:
    """What happens from outside; one session is only ever restarted."""

    day: Day
    daemon: Daemon
    sockets: Mapping[str, Path]
    restarted: str
    pairing: Sequence[str]
    dice: random.Random

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let all of it go on, each in a thread of its own and spread over the time."""
        day = self.day
        works: Mapping[Callable[[], None], int] = {
            self.receive: day.total(RECEIVED) // _FLOOD,
            self.send: day.total(SENT),
            self.restart: day.total(RESTARTS),
            self.pair: round(day.seconds),
            self.look: day.total(LOOKS),
        }
        ended = threading.Event()
        threads = [
            threading.Thread(target=_spread, args=(day, work, count, ended), daemon=True)
            for work, count in works.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(_CALL_WITHIN_S)

    def receive(self) -> None:
        steer(self.dice.choice([*self.sockets.values()]), f"flood?n={_FLOOD}")
        self.day.asked["received"] += _FLOOD

    def send(self) -> None:
        name, body = self.dice.choice([*self.sockets]), {"to": _CHAT, "text": f"no. {self.day.asked['sent']}"}
        answer = self.daemon.ask("POST", f"/v1/sessions/{name}/messages", body)
        assert answer.status == 202, answer.raw
        self.day.asked["sent"] += 1

    def restart(self) -> None:
        if self.daemon.session(self.restarted).body["status"] == "connected":
            assert self.daemon.ask("POST", f"/v1/sessions/{self.restarted}/restart?wait=0").status == 202
            self.day.asked["restarts"] += 1

    def pair(self) -> None:
        name = self.dice.choice(self.pairing)
        if self.daemon.session(name).body["status"] == "stopped":
            assert self.daemon.ask("POST", f"/v1/sessions/{name}/start?wait=0").status == 202
            self.day.asked["pairing windows"] += 1

    def look(self) -> None:
        name = self.dice.choice([*self.sockets])
        for path in ("/v1/sessions", "/metrics", f"/v1/sessions/{name}/why", "/v1/events?limit=10"):
            assert self.daemon.ask("GET", path).status == 200
        self.day.asked["looks"] += 1


def _spread(day: Day, work: Callable[[], None], count: int, ended: threading.Event) -> None:
    """Do it so often, evenly over the time; what comes late is made up for."""
    began_s = time.monotonic()
    for number in range(count):
        if ended.wait(max(0.0, began_s + number * day.seconds / count - time.monotonic())):
            return
        try:
            work()
        except (OSError, AssertionError) as error:
            day.errors.append(f"{work.__name__}: {error!r}")


def _watch(day: Day, daemon: Daemon, held: Path) -> None:
    """Note until the time is over what the daemon holds."""
    assert daemon.process is not None
    process, database = psutil.Process(daemon.process.pid), daemon.home / "manager.db"
    rss, descriptors, threads, tasks, objects, log, size = day.series
    began_s = time.monotonic()
    while (now_s := time.monotonic()) < began_s + day.seconds:
        rss.note(now_s, process.memory_info().rss)
        descriptors.note(now_s, process.num_fds())
        threads.note(now_s, process.num_threads())
        log.note(now_s, database.with_name("manager.db-wal").stat().st_size)
        size.note(now_s, database.stat().st_size)
        day.loads.append(load())
        time.sleep(day.seconds / 300)
    for line in held.read_text().splitlines():
        seen = json.loads(line)
        if seen["at_s"] >= began_s:
            tasks.note(seen["at_s"], seen["tasks"])
            objects.note(seen["at_s"], seen["objects"])
        day.came["probes"] = seen["probes"]


def has_come(day: Day, arrived: Path) -> bool:
    """Take what the receiver has written down, an event that came twice once; tell whether all asked for has come."""
    probes = day.came["probes"]
    lines = [json.loads(line) for line in arrived.read_text().splitlines() if line.endswith("}")]
    came = {(each["session"], each["type"], each["seq"] or each["at"]) for each in lines}  # heartbeats have no number
    day.came = Counter(type_ for _, type_, _ in came)
    day.came["probes"] = probes
    return day.came["message.received"] >= day.asked["received"] and day.came["message.sent"] >= day.asked["sent"]
