"""Measures delivery side by side with the loop one would write instead: speed, a fresh code, kill -9."""

import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

from tests.benchmarks.measures.contenders import SESSIONS, Contender, Message, loop, manager, messages
from tests.benchmarks.rows import OURS, Goal, Row, medians, percentiles
from tests.benchmarks.tally import Tally
from tests.e2e.peers.daemon import eventually
from tests.fakes.ports import free_ports

#: How long a contender may take to do what it does; one that is not done is measured by what it did.
_PATIENCE_S = 10.0
_CODES, _KILLS = 100, 6

Enter = Callable[[Tally], AbstractContextManager[Contender]]
_CONTENDERS: Mapping[str, Enter] = {OURS: manager, "httpx loop": loop}


def measure_delivery(share: int) -> Iterator[Row]:
    """Let both deliver the same: a backlog, codes that come in between, and messages while they are killed.

    Codes that do not come within the patience are counted as if they came at its end.
    """
    waiting, unsafe = 5_000 // share, 2000 // share
    measured = {name: _measure(enter, waiting, _CODES // share) for name, enter in _CONTENDERS.items()}
    codes_s, rates = ({name: each[part] for name, each in measured.items()} for part in (0, 1))
    name = f"fresh code, {waiting} waiting"
    yield Row(name=f"{name}, median", unit="ms", sessions=SESSIONS, values=medians(codes_s, 1000))
    yield Row(name=f"{name}, p99", unit="ms", sessions=SESSIONS, values=percentiles(codes_s, 99, 1000))
    name = f"delivered of {waiting} waiting"
    yield Row(name=name, unit="/s", sessions=SESSIONS, values=medians(rates), is_more_better=True)
    kills = max(3, _KILLS // share)
    fates = {name: _kill(enter, unsafe, kills) for name, enter in _CONTENDERS.items()}
    for part, goals in (("lost", [Goal("", 0)]), ("sent again", []), ("out of order", [Goal("", 0)])):
        values = {name: fate[part] for name, fate in fates.items()}
        name = f"{part} of {unsafe} and more, {kills} times kill -9"
        yield Row(name=name, unit="count", sessions=SESSIONS, values=values, goals=goals)


def _measure(enter: Enter, waiting: int, codes: int) -> tuple[list[float], list[float]]:
    """Return after how long each code came, in seconds, and how many of those that waited came in a second."""
    tally = Tally(free_ports(1)[0], pause_s=0.05)  # a backend of the usual speed
    with enter(tally) as contender:
        contender.fill(messages(0, waiting))
        with tally.open():
            contender.begin()
            eventually(lambda: tally.messages)
            times_s = _show_codes(contender, tally, codes)
            tally.pause_s = 0.0
            return times_s, [_drain(tally, waiting)]


def _show_codes(contender: Contender, tally: Tally, codes: int) -> list[float]:
    """Show one code after the other, each as soon as the one before has come; none after one that did not come."""
    times_s: list[float] = []
    for number in range(codes):
        began = time.perf_counter()
        contender.show_code(number)
        while len(tally.codes_at_s) <= number:
            if time.perf_counter() > began + _PATIENCE_S:
                return [*times_s, _PATIENCE_S]
            time.sleep(0.0005)
        times_s.append(tally.codes_at_s[number] - began)
    return times_s


def _drain(tally: Tally, waiting: int) -> float:
    """Return how fast the rest was delivered to a backend that answers at once, in events a second."""
    before, began = len(tally.messages), time.perf_counter()
    while len(tally.messages) < waiting and time.perf_counter() < began + _PATIENCE_S:
        time.sleep(0.001)
    return (len(tally.messages) - before) / (time.perf_counter() - began)


def _kill(enter: Enter, waiting: int, kills: int) -> dict[str, float]:
    """Kill a contender while messages come in and go out; return what became of those it had said yes to."""
    chance = random.Random(5)  # noqa: S311 (the moments are to be the same for both)
    tally = Tally(free_ports(1)[0])
    taken = messages(0, waiting)
    with enter(tally) as contender:
        contender.fill(taken)
        is_over = threading.Event()
        poster = threading.Thread(target=_post_until, args=(is_over, contender, waiting, taken), daemon=True)
        with tally.open():
            contender.begin()
            poster.start()
            for _ in range(kills):
                time.sleep(chance.uniform(0.1, 0.6))
                contender.kill()
            is_over.set()
            poster.join(10)
            _settle(tally, len(taken))
    return _fate(taken, tally)


def _post_until(is_over: threading.Event, contender: Contender, number: int, taken: list[Message]) -> None:
    """Post messages one after the other, each until it is taken, as engines do."""
    while not is_over.is_set():
        message = messages(number, 1)[0]
        while not contender.post(message):
            is_over.wait(0.05)
        taken.append(message)
        number += 1


def _settle(tally: Tally, expected: int) -> None:
    """Wait until all has come, or nothing comes any more."""
    count, since = -1, time.perf_counter()
    while len({_id(body) for body in tally.messages}) < expected and time.perf_counter() < since + 5:
        if len(tally.messages) != count:
            count, since = len(tally.messages), time.perf_counter()
        time.sleep(0.2)


def _fate(taken: Sequence[Message], tally: Tally) -> dict[str, float]:
    times = Counter(_id(body) for body in tally.messages)
    return {
        "lost": sum(message.data["id"] not in times for message in taken),
        "sent again": sum(count - 1 for count in times.values()),
        "out of order": _fallen(times),
    }


def _id(body: bytes) -> str:
    return str(json.loads(body)["data"]["id"])


def _fallen(ids: Counter[str]) -> int:
    """Return how often a message came before one of its session that is older; a Counter keeps the order of arrival."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for one in ids:
        session, _, number = one.partition("-")
        numbers[session].append(int(number))
    return sum(later < earlier for those in numbers.values() for earlier, later in pairwise(those))
