"""Measures how fast a backlog is delivered, beside a loop that signs and posts the same bodies and keeps nothing."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

from tests.benchmarks.floors.signing import running_signing
from tests.benchmarks.measures.contenders import SESSIONS, Contender, manager, messages
from tests.benchmarks.rows import FLOOR, OURS, Goal, Row, alternate, medians
from tests.benchmarks.tally import Tally
from tests.e2e.peers.daemon import eventually
from tests.fakes.ports import free_ports

_ROUNDS = 3
_PATIENCE_S = 120.0


def measure_backlog(events: int) -> Iterator[Row]:
    """Let so many events wait, and deliver them to a receiver that answers at once."""
    tally, numbers = Tally(free_ports(1)[0]), count(0, events)
    with manager(tally) as contender:
        contenders = {OURS: partial(_ours, contender, tally, numbers, events), FLOOR: partial(_floor, tally, events)}
        values = medians(alternate(contenders, _ROUNDS))
    name = f"delivery of {events} waiting"
    yield Row(name=name, unit="/s", sessions=SESSIONS, values=values, is_more_better=True, goals=[Goal(FLOOR, 0.8)])


def _ours(contender: Contender, tally: Tally, numbers: "count[int]", events: int) -> list[float]:
    tally.messages.clear()
    contender.fill(messages(next(numbers), events))
    with tally.open():
        began_s = time.perf_counter()
        contender.begin()
        return [_rate(tally, events, began_s)]


def _floor(tally: Tally, events: int) -> list[float]:
    """Post what came last, each session's own in order."""
    bodies = _by_session(tally.messages)
    tally.messages.clear()
    with tally.open(), running_signing(tally.url, bodies):
        return [_rate(tally, events, time.perf_counter())]


def _rate(tally: Tally, events: int, began_s: float) -> float:
    eventually(lambda: len(tally.messages) >= events, within_s=_PATIENCE_S, every_s=0.002)
    return events / (time.perf_counter() - began_s)


def _by_session(bodies: Sequence[bytes]) -> list[list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for body in bodies:
        found[json.loads(body)["session_id"]].append(body.decode())
    return list(found.values())
