"""Measures what the gateway costs: calls straight to a simulated OpenWA against the same calls through us."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import psutil

from tests.benchmarks.clients import ask, get
from tests.benchmarks.daemons import running
from tests.benchmarks.floors.disk import commit_times
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians, percentiles
from tests.e2e.peers.daemon import SCANNED, Daemon, UnixConnection

_NO_GAP = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0"}
_ROUNDS = 4
#: One caller at a time shows the latency, many show the rate.
_CALLERS = 16
#: A send is recorded before and after it.
_COMMITS = 2


@dataclass(frozen=True, slots=True)
class _Side:
    """One way to the engine: where it listens, whose key it takes, and what it calls the session."""

    address: str
    key: str
    session: str
    numbers: "count[int]"

    def read(self) -> bytes:
        """Return a GET of the session's groups."""
        return get(f"/api/sessions/{self.session}/groups", self.key)

    def send(self) -> bytes:
        """Return a send of a text, each another, to a chat that is known after the first."""
        body = json.dumps({"chatId": "85291234567@c.us", "text": f"Your order {next(self.numbers)} has left."}).encode()
        head = get(f"/api/sessions/{self.session}/messages/send-text", self.key).replace(b"GET", b"POST", 1)[:-2]
        return head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def measure_gateway(calls: int) -> Iterator[Row]:
    """Make so many calls of each kind one after the other, straight and through the gateway in turn, then many at once.

    What of a send's time is commits is told by as many on a bare database beside it.
    """
    each = max(1, calls // _ROUNDS)
    with running(_NO_GAP, {**SCANNED, "SIMULATE_TYPING": "false"}) as (daemon, _):
        sides = _sides(daemon)
        for compose in (_Side.read, _Side.send):
            for side in sides.values():
                _times(side, compose, 20)
        reads = alternate({name: partial(_times, side, _Side.read, each) for name, side in sides.items()}, _ROUNDS)
        yield from _rows("a GET through the gateway", reads, [Goal("", 0.5)])
        sending = {name: partial(_times, side, _Side.send, each) for name, side in sides.items()}
        sends = alternate({**sending, "commits": partial(commit_times, each * _COMMITS)}, _ROUNDS)
        commits_ms = medians(sends, 1000)["commits"] * _COMMITS
        yield from _rows("a send through the gateway", {name: sends[name] for name in sides}, [])
        yield _row("  of it two bare commits", {OURS: commits_ms})
        middle = medians(sends, 1000)
        yield _row("  added beyond them", {OURS: middle[OURS] - middle[FLOOR] - commits_ms}, [Goal("", 0.5)])
        for name, compose in (("GETs", _Side.read), ("sends", _Side.send)):
            rating = {side: partial(_rate, sides[side], compose, each) for side in sides}
            yield Row(
                name=f"{name} by {_CALLERS} callers (floor: straight)",
                unit="/s",
                sessions=1,
                values=medians(alternate(rating, 2)),
                is_more_better=True,
            )


def _sides(daemon: Daemon) -> Mapping[str, _Side]:
    pid, numbers = daemon.create("acme").number("pid"), count()
    socket = daemon.until("acme", "connected").text("socket")
    key = psutil.Process(pid).environ()["API_MASTER_KEY"]
    line = UnixConnection(Path(socket))
    line.request("GET", "/api/sessions", headers={"X-API-Key": key})
    (inner,) = json.loads(line.getresponse().read())
    line.close()
    return {
        OURS: _Side(f"127.0.0.1:{daemon.port}", daemon.key, "acme", numbers),
        FLOOR: _Side(socket, key, str(inner["id"]), numbers),
    }


def _times(side: _Side, compose: Callable[[_Side], bytes], calls: int) -> list[float]:
    return ask(side.address, [compose(side) for _ in range(calls)], clients=1).times_s


def _rate(side: _Side, compose: Callable[[_Side], bytes], calls: int) -> list[float]:
    return [ask(side.address, [compose(side) for _ in range(calls)], clients=_CALLERS).per_s]


def _rows(name: str, samples: Mapping[str, list[float]], goals: list[Goal]) -> Iterator[Row]:
    middle = medians(samples, 1000)
    yield _row(f"{name} (floor: straight), median", middle)
    yield _row(f"{name} (floor: straight), p99", percentiles(samples, 99, 1000))
    yield _row("  added by the gateway", {OURS: middle[OURS] - middle[FLOOR]}, goals)


def _row(name: str, values: Mapping[str, float], goals: list[Goal] | None = None) -> Row:
    return Row(name=name, unit="ms", sessions=1, values=values, goals=goals or [])
