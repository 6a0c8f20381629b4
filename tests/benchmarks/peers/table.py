"""Measures the daemon and its peers in turn on the same work: see the other modules for how each is set up.

All contenders of a size run beside each other, which is fair since they are idle while it is another's turn: none takes
more than a few CPU seconds a minute then. A turn is short, and turns alternate (A B A B).

- supervisord 4.3 (pip), in the foreground: `startsecs=0`, `autorestart=true`, `minfds` and `startretries` high, the
  programs' output in files as is its default. XML-RPC through a unix socket over connections that stay open. It looks
  at its programs once a second, so a replacement takes up to that long; there is no setting for it.
- circus 0.19 (pip), in the foreground: a watcher a session, `max_retry=-1`, `warmup_delay=0` and `check_delay=5`, which
  are its defaults. A dead engine is found by that check, 2.5 s later on average. ZeroMQ through a unix socket. Its
  `status` tells no PID; `stats` asks the kernel each time.
- PM2 7 (npm): fork mode, no interpreter, no restart delay, no git metadata, `PM2_CONCURRENT_ACTIONS=16` (its default of
  2 makes stopping slower). Its own module for actions and its RPC for questions. Sessions are saved before it is killed
  and come back by `pm2 resurrect`. It may take long, so starts and stops are done once.
- runit (if `runsvdir` is installed): no remote interface, and `runsvdir` sees a new session up to 5 s later, so neither
  is measured. When `runsvdir` is killed, each `runsv` goes on with its engine; the new `runsvdir`'s own `runsv`s then
  fail for ever, as the former hold the locks.
- ours: the same engine (`ENGINE=command`), the key checked in every call, limits on and set high, every change durable.

A question at 16 clients is sent over 16 connections by one process that does little else; who would need more than 20 s
to answer each once is not asked so. Times of starts and stops are those at which the supervisor had so many children.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.contender import Question
from tests.benchmarks.peers.installation import MissingError, Peer, cache_folder, contenders
from tests.benchmarks.peers.measures import FAILURES, Stand, end, tell
from tests.benchmarks.peers.runit import Runit
from tests.benchmarks.rows import OURS, Goal, Row, alternate, medians, percentiles

#: With more sessions only ours is measured.
PEERS_UP_TO: Final = 200
_CREATED, _REPLACED, _LISTED, _STARTED, _STOPPED = 20, 8, 3, 5, 3
#: What is wanted of ours at so many sessions.
_USAGE_PER_S: Final = {200: 1000.0, 1000: 200.0}
_STOPPED_MS: Final = {200: 300.0, 1000: 1500.0}
#: How many are created in one turn.
_CHUNK: Final = 10
_RATE_S, _IDLE_S = 0.8, 20.0
_CLIENTS: Final = 16
#: So many clients are only let loose where each is answered within this time.
_ANSWERED_S: Final = 20.0

Samples = Mapping[str, Sequence[float]]
Measure = Callable[[Stand], Callable[[], Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Which contenders run here, and why the others do not."""

    peers: Sequence[Peer]
    missing: Mapping[str, str]


def measure_peers(share: int, sizes: Sequence[int] = (1, 50, 200, 1000)) -> Iterable[Row]:
    """Yield a row for each figure and size, a `share`-th of everything; a peer that is not there is told as missing."""
    place = find_peers(contenders(cache_folder()))
    yield from _measure_starts(place, share)
    for sessions in sizes:
        yield from measure_size(place if sessions <= PEERS_UP_TO else _only_ours(place), sessions, share)


def find_peers(peers: Sequence[Peer]) -> Place:
    """Install what is not there yet, start each once, and tell what does not run here and why."""
    found: list[Peer] = []
    missing: dict[str, str] = {}
    for peer in peers:
        try:
            with _standing([peer], 0):
                found.append(peer)
        except (MissingError, *FAILURES) as error:
            if peer.name == OURS:
                raise
            missing[peer.name] = tell(error)
    return Place(found, missing)


def measure_size(place: Place, sessions: int, share: int) -> Iterator[Row]:
    """Yield the rows of one size."""
    with _standing(place.peers, sessions) as stands:
        table = Table(stands, place.missing, sessions, share)
        yield from table.creations()
        for question in Question:
            yield from table.rates(question)
        yield table.replacements()
        yield from table.weights()
        yield table.lists()
        yield from table.stops_and_starts()
        yield from table.recoveries()


def _only_ours(place: Place) -> Place:
    return Place([peer for peer in place.peers if peer.name == OURS], {})


@contextmanager
def _standing(peers: Sequence[Peer], sessions: int) -> Iterator[list[Stand]]:
    """Start each contender in a folder of its own, without sessions; end all that runs there at last."""
    with ExitStack() as undo:
        stands: list[Stand] = []
        for peer in peers:
            folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="openwa-peer-")))
            contender = peer.make(folder)
            undo.callback(end, contender)
            contender.start()
            stands.append(Stand(contender, sessions))
        yield stands


def _measure_starts(place: Place, share: int) -> Iterator[Row]:
    answering = [peer for peer in place.peers if peer.name != Runit.name]  # which has nobody who could answer
    with _standing(answering, 0) as stands:
        table = Table(stands, place.missing, 0, share)
        yield table.times("supervisor started → ready", table.samples(lambda stand: stand.restart, _STARTED))


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one size; each method leaves all sessions running."""

    stands: Sequence[Stand]
    missing: Mapping[str, str]
    sessions: int
    share: int

    def creations(self) -> Iterator[Row]:
        """Create all; with few sessions more of them, each removed again."""
        creating = [stand for stand in self.stands if stand.contender.can_create]
        count = max(self.sessions, _CREATED // self.share)
        samples: dict[str, list[float]] = {stand.name: [] for stand in creating}
        for done in range(0, count, _CHUNK):
            chunk = min(_CHUNK, count - done)
            for stand in creating:
                samples[stand.name] += stand.attempt(partial(stand.fill, chunk))
        for stand in self.stands:
            if stand not in creating:
                stand.attempt(partial(stand.fill, self.sessions))
            stand.attempt(stand.require)
        yield self.times("create → running, median", samples)
        p99_ms = percentiles(samples, 99, 1000)
        yield replace(self.times("create → running, p99", samples), values=p99_ms)

    def rates(self, question: Question) -> Iterator[Row]:
        """Ask as one client, and as 16 whoever can answer those in time."""
        goals = _limit(_USAGE_PER_S, self.sessions) if question is Question.USAGE else ()
        alone = self._rates(question, 1, self.stands)
        yield alone
        quick = [each for each in self.stands if alone.values.get(each.name, 0) * _ANSWERED_S >= _CLIENTS]
        together = self._rates(question, _CLIENTS, quick)
        slow = {
            name: f"{rate:.2g} answers a second: {_CLIENTS} clients wait too long"
            for name, rate in alone.values.items()
            if name not in together.values
        }
        yield replace(together, goals=goals, missing={**slow, **together.missing})

    def _rates(self, question: Question, clients: int, stands: Sequence[Stand]) -> Row:
        seconds = _RATE_S / self.share
        measures = {each.name: partial(each.attempt, _asking(question, clients, seconds, each)) for each in stands}
        name = f"{question.value}, {clients} client{'s' if clients > 1 else ''}"
        return replace(self._row(name, "/s", alternate(measures, 2), ()), is_more_better=True)

    def replacements(self) -> Row:
        """Kill engines one by one."""
        return self.times("crash → replacement", self.samples(lambda stand: stand.replace, _REPLACED))

    def weights(self) -> Iterator[Row]:
        """Weigh the supervisors, then leave them alone, all at the same time."""
        found = self.samples(lambda stand: stand.weigh, 1)
        for number, name in enumerate(("RSS", "PSS")):
            goals = (Goal("", 80 + 0.1 * self.sessions),) if name == "RSS" else ()
            yield self._part(f"supervisor's {name}", "MB", found, number, 1e-6, goals)
        seconds = max(2.0, _IDLE_S / self.share)
        before = self.samples(lambda stand: stand.spend, 1)
        time.sleep(seconds)
        after = self.samples(lambda stand: stand.spend, 1)
        spent = {name: [each[0] - before[name][0]] for name, each in after.items() if each}
        yield self._part("idle CPU", "CPU-s/min", spent, 0, 60 / seconds, _limit({200: 0.5}, self.sessions))

    def lists(self) -> Row:
        """Run the commands that list the sessions."""
        return self.times("CLI list", self.samples(lambda stand: stand.show, _LISTED))

    def stops_and_starts(self) -> Iterator[Row]:
        """Stop all and start all, which slow ones do once."""
        stops: dict[str, list[float]] = {stand.name: [] for stand in self.stands}
        starts: dict[str, list[float]] = {stand.name: [] for stand in self.stands}
        for turn in range(max(1, _STOPPED // self.share)):
            for stand in self.stands:
                if turn == 0 or not stand.contender.is_slow:
                    stops[stand.name] += stand.attempt(stand.stop)
                    starts[stand.name] += stand.attempt(stand.start)
        yield self.times("stop all", stops, _limit(_STOPPED_MS, self.sessions))
        yield self.times("start all", starts)

    def recoveries(self) -> Iterator[Row]:
        """Kill the supervisors."""
        found = self.samples(lambda stand: stand.recover, 1)
        name, goals = "kill -9 of the supervisor → under control", _limit({1000: 1000.0}, self.sessions)
        yield self._part(name, "ms", found, 0, 1000, goals)
        yield replace(self._part("  of its engines adopted", "", found, 1), is_more_better=True)
        yield self._part("  lost", "", found, 2)
        yield self._part("  doubled", "", found, 3)

    def samples(self, measure: Measure, rounds: int) -> dict[str, list[float]]:
        """Return what each contender's measure yields, a `share`-th of these rounds, in turn."""
        measures = {stand.name: partial(stand.attempt, measure(stand)) for stand in self.stands}
        return alternate(measures, max(1, rounds // self.share))

    def times(self, name: str, samples: Samples, goals: Sequence[Goal] = ()) -> Row:
        """Return a row of the medians of seconds, in milliseconds."""
        return self._row(name, "ms", samples, goals, 1000)

    def _part(
        self, name: str, unit: str, found: Samples, number: int, scale: float = 1, goals: Sequence[Goal] = ()
    ) -> Row:
        return self._row(
            name, unit, {each: values[number : number + 1] for each, values in found.items()}, goals, scale
        )

    def _row(self, name: str, unit: str, samples: Samples, goals: Sequence[Goal], scale: float = 1) -> Row:
        failures = {stand.name: stand.failure for stand in self.stands if stand.failure}
        return Row(
            name=name,
            unit=unit,
            values=medians(samples, scale),
            sessions=self.sessions,
            goals=goals,
            counts={contender: len(each) for contender, each in samples.items() if each},
            missing={**self.missing, **failures},
        )


def _asking(question: Question, clients: int, seconds: float, stand: Stand) -> Callable[[], Sequence[float]]:
    def ask() -> Sequence[float]:
        rate = stand.contender.rate(question, clients, seconds)
        return [] if rate is None else [rate]

    return ask


def _limit(limits: Mapping[int, float], sessions: int) -> Sequence[Goal]:
    return (Goal("", limits[sessions]),) if sessions in limits else ()
