"""Measures how many callers the daemon can tell how a session is, how all of them are, and that nothing changed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from tests.benchmarks.clients import ask, get
from tests.benchmarks.daemons import SLEEPER, Line, running
from tests.benchmarks.floors.hello import running_hello
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians
from tests.e2e.peers.daemon import Daemon

#: Limits are on, and high enough for one caller to measure.
_SETTINGS = {**SLEEPER, "RATE_PER_S": "10000", "RATE_BURST": "100000"}
_ROUNDS = 3
#: The usage of every process has been measured by then.
_SAMPLED_S = 6.0
#: What is wanted of the whole list at so many sessions, per second.
_ALL_PER_S: Mapping[int, float] = {200: 1000, 1000: 200}


def measure_status(sessions: int, seconds: float, clients: Sequence[int] = (1, 16)) -> Iterator[Row]:
    """Ask for one of so many sessions and for all with CPU and memory, each for so long, over TCP and with a key.

    Lists that have not changed are asked for with their tag; one that does change meanwhile is told whole from then on.
    """
    with running(_SETTINGS) as (daemon, line):
        fill(line, sessions)
        time.sleep(_SAMPLED_S)
        for each in clients:
            values, goals = _rates(daemon, "/v1/sessions/s0", each, seconds), [Goal(FLOOR, 0.6)]
            yield _row("status of one", each, sessions, values, goals if each > 1 else [])
        path = f"/v1/sessions?limit={sessions}"
        for each in clients:
            goals = [Goal("", _ALL_PER_S[sessions])] if sessions in _ALL_PER_S and each > 1 else []
            values = _rates(daemon, path, each, seconds)
            yield _row("status of all with CPU and memory", each, sessions, values, goals)
        for each in clients:
            values = _rates(daemon, path, each, seconds, is_known=True)
            yield _row("status of all, unchanged (304)", each, sessions, values, [])


def fill(line: Line, sessions: int) -> None:
    """Create so many sessions, `s0` and on."""
    for number in range(sessions):
        line.ask("POST", "/v1/sessions", {"session_id": f"s{number}"})


def _rates(daemon: Daemon, path: str, clients: int, seconds: float, *, is_known: bool = False) -> dict[str, float]:
    """Return how many answers a second came, and how many a bare aiohttp gives of the same size."""
    answer = daemon.ask("GET", path)
    assert answer.status == 200, answer.raw
    request = get(path, daemon.key)
    if is_known:
        request = request[:-2] + f"If-None-Match: {answer.headers['ETag']}\r\n\r\n".encode()
    with running_hello(b"" if is_known else answer.raw) as floor:
        requests = {OURS: (f"127.0.0.1:{daemon.port}", request), FLOOR: (floor, get(path))}
        contenders = {
            name: partial(_rate, address, request, clients, seconds) for name, (address, request) in requests.items()
        }
        return medians(alternate(contenders, _ROUNDS))


def _rate(address: str, request: bytes, clients: int, seconds: float) -> list[float]:
    return [ask(address, [request], clients=clients, seconds=seconds).per_s]


def _row(name: str, clients: int, sessions: int, values: dict[str, float], goals: list[Goal]) -> Row:
    words = f"{name}, {clients} client{'s' if clients > 1 else ''}"
    return Row(name=words, unit="/s", sessions=sessions, values=values, is_more_better=True, goals=goals)
