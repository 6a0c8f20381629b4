"""Measures how many callers the daemon can tell how a session is, and how all of them are."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

from tests.benchmarks.clients import ask, get
from tests.benchmarks.daemons import SLEEPER, running
from tests.benchmarks.floors.hello import running_hello
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians
from tests.e2e.peers.daemon import Daemon

#: Limits are on, and high enough for one caller to measure.
_SETTINGS = {**SLEEPER, "RATE_PER_S": "10000", "RATE_BURST": "100000"}
_ROUNDS = 3
#: The usage of every process has been measured by then.
_SAMPLED_S = 6.0


def measure_status(sessions: int, seconds: float, clients: Sequence[int] = (1, 16)) -> Iterator[Row]:
    """Ask for one of so many sessions and for all with CPU and memory, each for so long, over TCP and with a key."""
    with running(_SETTINGS) as (daemon, line):
        for number in range(sessions):
            line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})
        time.sleep(_SAMPLED_S)
        for each in clients:
            values, goals = _rates(daemon, "/v1/sessions/s0", each, seconds), [Goal(FLOOR, 0.6)]
            yield _row("status of one", each, sessions, values, goals if each > 1 else [])
        for each in clients:
            values, goals = _rates(daemon, f"/v1/sessions?limit={sessions}", each, seconds), [Goal("", 1000)]
            yield _row("status of all with CPU and memory", each, sessions, values, goals if sessions == 200 else [])


def _rates(daemon: Daemon, path: str, clients: int, seconds: float) -> dict[str, float]:
    """Return how many answers a second came, and how many a bare aiohttp gives of the same size."""
    body = daemon.ask("GET", path)
    assert body.status == 200, body.raw
    with running_hello(body.raw) as floor:
        requests = {OURS: (f"127.0.0.1:{daemon.port}", get(path, daemon.key)), FLOOR: (floor, get(path))}
        contenders = {
            name: partial(_rate, address, request, clients, seconds) for name, (address, request) in requests.items()
        }
        return medians(alternate(contenders, _ROUNDS))


def _rate(address: str, request: bytes, clients: int, seconds: float) -> list[float]:
    return [ask(address, [request], clients=clients, seconds=seconds).per_s]


def _row(name: str, clients: int, sessions: int, values: dict[str, float], goals: list[Goal]) -> Row:
    words = f"{name}, {clients} client{'s' if clients > 1 else ''}"
    return Row(name=words, unit="/s", sessions=sessions, values=values, is_more_better=True, goals=goals)
