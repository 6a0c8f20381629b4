"""Measures the intake: how many events a second are on disk when they are answered, and how soon."""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from openwa_manager.services.delivery.backpressure import PostingRate
from tests.benchmarks.clients import ask
from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.floors.posts import SECRET, running_posts
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians, percentiles
from tests.e2e.peers.daemon import Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.fakes.ports import free_ports
from tests.fakes.process import ending

#: A disk that never stalls, on Linux: what is left is ours.
_MEMORY = Path("/dev/shm")
#: How many events one engine may post at once; those of many are bounded by what is measured here.
_RATE = PostingRate()
_BURST = int(_RATE.events_per_s * _RATE.burst_s) - 10
#: So many sessions post, some posts of each at once: what waits for a commit does not keep the next commit small.
_SESSIONS, _CONNECTIONS = 40, 160
#: So many sessions post alone, each once, for what each may post at once is limited.
_ALONE = 3
_TEXT = "A message of the usual length, as people write them to a shop in the evening. " * 3


@dataclass
class Engine:
    """An engine as the intake knows it: where it posts, and the secret it signs with."""

    url: str
    secret: str

    def __post_init__(self) -> None:
        self._numbers = count()
        self._address = urlsplit(self.url)

    def greeting(self) -> bytes:
        """Return the news that WhatsApp is connected, without which no engine lives long."""
        return self._signed(b'{"event": "session.connected", "phone_number": "85212345678"}')

    def request(self) -> bytes:
        """Return the next message as it goes over the wire."""
        number = next(self._numbers)
        data = {"id": f"true_85212345678@c.us_{number:020}", "from": "85212345678@c.us", "body": _TEXT, "type": "chat"}
        return self._event("message.received", {"data": data}, str(number))

    def acknowledgement(self, fate: str, whatsapp_id: str) -> bytes:
        """Return what WhatsApp says of a message as it goes over the wire."""
        return self._event(f"message.{fate}", {"message_id": whatsapp_id}, f"{whatsapp_id}_{fate}")

    def _event(self, event: str, said: Mapping[str, object], key: str) -> bytes:
        body = json.dumps({"event": event, "timestamp": "2026-11-22T07:22:04.165Z", **said}).encode()
        return self._signed(body, f"X-OpenWA-Idempotency-Key: {self.url[-36:]}_{key}\r\n")

    def _signed(self, body: bytes, headers: str = "") -> bytes:
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        head = (
            f"POST {self._address.path} HTTP/1.1\r\nHost: {self._address.netloc}\r\nContent-Type: application/json\r\n"
            f"X-OpenWA-Signature: sha256={signature}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Wire:
    """One open connection to the intake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, request: bytes) -> None:
        """Return once the event is on disk."""
        self._writer.write(request)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def engines_of(daemon: Daemon, sessions: int, first: int = 0) -> list[Engine]:
    """Create sessions and read from their processes what the daemon gave them."""
    engines: list[Engine] = []
    for number in range(first, first + sessions):
        pid = daemon.create(f"s{number}").number("pid")
        given = eventually(partial(_environ_of, pid))
        engines.append(Engine(given["WEBHOOK_URL"], given["WEBHOOK_SECRET"]))
    asyncio.run(_greet(engines))
    return engines


async def _greet(engines: list[Engine]) -> None:
    for engine in engines:
        wire = await _connect(engine)
        await wire.post(engine.greeting())
        wire.close()


def _environ_of(pid: int) -> Mapping[str, str] | None:
    """Return a process's variables; None while it is not yet what it is going to be."""
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    environ = dict([entry.split("=", 1) for entry in entries if "=" in entry])
    return environ if "WEBHOOK_URL" in environ else None


async def flood(engine: Engine, connections: int, requests: Sequence[bytes]) -> float:
    """Post these to where the engine does, as fast as answers come; return how many a second were taken."""
    left = iter(range(len(requests)))

    async def post_on(wire: Wire) -> None:
        for number in left:
            await wire.post(requests[number])
        wire.close()

    wires = [await _connect(engine) for _ in range(connections)]
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for wire in wires:
            tasks.create_task(post_on(wire))
    return len(requests) / (time.perf_counter() - began)


async def _trickle(engines: list[Engine], per_second: int, seconds: int) -> list[float]:
    """Post at a steady pace, whether answers come or not; return how long each event took from when it was due."""
    times_s: list[float] = []
    idle: asyncio.Queue[Wire] = asyncio.Queue()
    for _ in range(64):
        idle.put_nowait(await _connect(engines[0]))

    async def post_one(request: bytes, due_s: float) -> None:
        wire = await idle.get()
        await wire.post(request)
        times_s.append(time.perf_counter() - due_s)
        idle.put_nowait(wire)

    requests = [engines[number % len(engines)].request() for number in range(per_second * seconds)]
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            due_s = began + number / per_second
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            tasks.create_task(post_one(request, due_s))
    while not idle.empty():
        idle.get_nowait().close()
    return times_s


async def _connect(engine: Engine) -> Wire:
    address = urlsplit(engine.url)
    assert address.hostname is not None
    return Wire(*await asyncio.open_connection(address.hostname, address.port))


#: What SQLite does with each commit, as near as the system offers it.
if sys.platform == "linux":
    _sync = os.fdatasync  # noqa: TID251 the bare disk is measured
else:
    _sync = os.fsync  # noqa: TID251 the same


def _append_durably(per_second: int, seconds: int) -> list[float]:
    """Do no more than append what has come to a file, one sync for all of it; return how long each piece took.

    That is what the disk leaves to any program that answers only after the data is safe.
    """
    times_s: list[float] = []
    with tempfile.TemporaryFile(buffering=0) as file:
        began = time.perf_counter()
        while len(times_s) < per_second * seconds:
            come = min(per_second * seconds, int((time.perf_counter() - began) * per_second))
            file.write(b"x" * 4096 * (come - len(times_s)))
            _sync(file.fileno())
            now = time.perf_counter()
            times_s += [now - (began + number / per_second) for number in range(len(times_s), come)]
            time.sleep(1 / per_second)
    return times_s


def measure_intake(share: int) -> Iterator[Row]:
    """Post messages as engines do, without a backend and with one that takes them."""
    seconds, events = max(2, 8 // share), 10_000 // share
    with running(SLEEPER) as (daemon, _), running_posts() as floor:
        engines, alone = engines_of(daemon, _SESSIONS), engines_of(daemon, _ALONE, first=_SESSIONS)
        samples = {OURS: asyncio.run(_trickle(engines, 500, seconds)), FLOOR: _append_durably(500, seconds)}
        name = "500 events/s: posted → durable (floor: the disk), p99"
        values = percentiles(samples, 99, 1000)
        yield Row(name=name, unit="ms", sessions=_SESSIONS, values=values, goals=[Goal("", 50)])
        yield _taking_row(engines, floor, events)
        turns = iter(alone)
        contenders = {
            OURS: lambda: [_rate([next(turns)], 16, _BURST)],
            FLOOR: lambda: [_rate([Engine(floor, SECRET)], 16, _BURST)],
        }
        values = medians(alternate(contenders, _ALONE))
        yield Row(name="events taken", unit="/s", sessions=1, values=values, is_more_better=True)
    yield from _beside_delivery(seconds)


def measure_taking(events: int) -> Iterator[Row]:
    """Post so many messages of many sessions as fast as answers come, in turn to us and to the floor."""
    with running(SLEEPER) as (daemon, _), running_posts() as floor:
        yield _taking_row(engines_of(daemon, _SESSIONS), floor, events)


def _taking_row(engines: Sequence[Engine], floor: str, events: int) -> Row:
    contenders = {
        OURS: lambda: [_rate(engines, _CONNECTIONS, events)],
        FLOOR: lambda: [_rate([Engine(floor, SECRET)], _CONNECTIONS, events)],
    }
    values, goals = medians(alternate(contenders)), [Goal(FLOOR, 0.4)]
    return Row(name="events taken", unit="/s", sessions=_SESSIONS, values=values, is_more_better=True, goals=goals)


def _beside_delivery(seconds: int) -> Iterator[Row]:
    """Post while a backend takes what was posted, on the disk and in memory."""
    for disk, words in ((None, ""), (_MEMORY, ", in memory")):
        upstream = Upstream(free_ports(1)[0])
        if disk is not None and not disk.is_dir():
            continue
        with _elsewhere(upstream), running({**SLEEPER, **upstream.settings}, disk=disk) as (daemon, _):
            engines = engines_of(daemon, _SESSIONS)
            values = percentiles({OURS: asyncio.run(_trickle(engines, 500, seconds))}, 99, 1000)
            name = f"500/s while delivering{words}, p99"
            yield Row(name=name, unit="ms", sessions=_SESSIONS, values=values, goals=[Goal("", 50)])


def _rate(engines: Sequence[Engine], clients: int, events: int) -> float:
    """Post as fast as answers come; return how many events a second were taken."""
    requests = [engine.request() for _ in range(events // len(engines)) for engine in engines]
    return ask(urlsplit(engines[0].url).netloc, requests, clients=clients).per_s


@contextmanager
def _elsewhere(upstream: Upstream) -> Iterator[None]:
    """Run the backend as a process of its own, so that it takes no time from what is measured."""
    program = (
        "import time; from tests.e2e.peers.upstream import Upstream; "
        f"Upstream({upstream.port}).__enter__(); time.sleep(999)"
    )
    with ending(subprocess.Popen((sys.executable, "-c", program))) as process:
        try:
            yield
        finally:
            process.kill()
