"""The peers' side of the benchmarks: what needs no installation, and a tiny whole with whoever can be installed."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.benchmarks.peers import processes
from tests.benchmarks.peers.contender import ENGINE, Question
from tests.benchmarks.peers.driver import Driver
from tests.benchmarks.peers.exchange import Exchange, Reader, compose
from tests.benchmarks.peers.installation import MissingError, Peer, cache_folder, contenders, install_by_pip
from tests.benchmarks.peers.measures import Stand
from tests.benchmarks.peers.table import Table, find_peers, measure_size
from tests.benchmarks.rows import OURS, Row
from tests.e2e.peers.daemon import eventually
from tests.fakes.process import ending
from tests.run.leftovers import find_leftovers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@contextmanager
def answering(path: Path, answers: int = 1_000_000) -> Iterator[None]:
    """Run a server that says hello to each request, in pieces; it closes a connection after so many answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=_accept, args=(listener, answers), daemon=True).start()
        yield


def _accept(listener: socket.socket, answers: int) -> None:
    with suppress(OSError):
        while True:
            line, _ = listener.accept()
            threading.Thread(target=_greet, args=(line, answers), daemon=True).start()


def _greet(line: socket.socket, answers: int) -> None:
    with line:
        for _ in range(answers):
            if not line.recv(65536):
                return
            for start in range(0, len(OK), 9):
                line.sendall(OK[start : start + 9])


class Toy:
    """Supervises nothing well: its engines are children of the tests, adopted, lost or doubled as it is told."""

    is_slow = False
    can_create = True

    def __init__(self, folder: Path, restarts: str = "adopt", name: str = OURS, rate: float = 10) -> None:
        self.name = name
        self.rate_of_one = rate
        self.folder = folder
        self.restarts = restarts
        self.engines: dict[str, subprocess.Popen[bytes]] = {}
        self.started: list[subprocess.Popen[bytes]] = []
        self.program = processes.Program(ENGINE, self.environ(), folder)

    def start(self) -> None:
        self.program.start()
        for session, former in dict(self.engines).items():
            if self.restarts != "adopt":
                self.create(session)
            if self.restarts == "lose":
                former.kill()
                former.wait(10)

    def supervisor(self) -> int:
        return self.program.pid

    def own(self) -> Sequence[int]:
        return [self.program.pid]

    def create(self, session: str) -> float:
        self.engines[session] = subprocess.Popen(ENGINE, env=self.environ())
        self.started.append(self.engines[session])
        return 0.5

    def remove(self, session: str) -> None:
        engine = self.engines.pop(session)
        engine.kill()
        engine.wait(10)

    def start_all(self) -> None:
        raise RuntimeError("no starts today")

    def stop_all(self) -> None:
        raise RuntimeError("no stops today")

    def pids(self) -> Mapping[str, int]:
        return {session: engine.pid for session, engine in self.engines.items()}

    def save(self) -> None:
        pass

    def rate(self, question: Question, clients: int, seconds: float) -> float | None:  # noqa: ARG002
        return None if question is Question.USAGE else self.rate_of_one * clients

    def list_argv(self) -> Sequence[str]:
        return ("true",)

    def environ(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}

    def close(self) -> None:
        self.program.close()
        for engine in self.started:
            engine.kill()
            engine.wait(10)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.sweep(tmp_path)


def test_a_request_is_composed_with_its_length() -> None:
    request = compose("POST", "/RPC2", {"Content-Type": "text/xml"}, b"<x/>")

    assert request == (
        b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<x/>"
    )


def test_an_answer_is_whole_with_its_last_byte() -> None:
    reader = Reader()

    taken = [reader.take(OK[start : start + 1]) for start in range(len(OK))]

    assert taken == [None] * (len(OK) - 1) + [b"hello"]
    assert reader.take(EMPTY) == b""
    assert reader.take(OK) == b"hello"


def test_a_chunked_answer_is_joined() -> None:
    reader = Reader()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert reader.take(head + b"5\r\nhello\r\n") is None
    assert reader.take(b"a\r\n, and more\r\n0\r\n\r\n") == b"hello, and more"
    assert reader.take(OK) == b"hello"


def test_a_refusal_is_no_answer() -> None:
    with pytest.raises(RuntimeError, match="429"):
        Reader().take(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")


def test_every_request_is_answered_over_connections_that_stay_open(place: Path) -> None:
    with answering(place / "s.sock"):
        line = Exchange(place / "s.sock")

        assert line.ask(b"x") == b"hello"
        assert line.ask_all([b"x"] * 50, 16) == 50
        assert line.rate(b"x", 4, 0.05) > 0
        line.close()


def test_a_connection_that_the_server_closed_while_idle_is_made_anew(place: Path) -> None:
    with answering(place / "s.sock", answers=1):
        line = Exchange(place / "s.sock")

        assert line.ask(b"x") == b"hello"
        eventually(line.is_hung_up)
        assert line.ask(b"x") == b"hello"
        line.close()


def test_a_driver_answers_or_says_why_not(place: Path) -> None:
    program = (
        """while read -r line; do case $line in *good*) echo '{"value": 3}';; *) echo '{"error": "no"}';; esac; done"""
    )
    driver = Driver(("sh", "-c", program), {"HOME": str(place)}, place)

    assert driver.seconds("good") == 3
    with pytest.raises(RuntimeError, match="bad: no"):
        driver.ask("bad")
    driver.close()


def test_a_program_that_ended_is_told_with_its_last_words(place: Path) -> None:
    program = processes.Program(("sh", "-c", "echo no such setting; exit 2"), {"HOME": str(place)}, place)
    program.start()
    psutil.wait_procs([psutil.Process(program.pid)], timeout=10)

    with pytest.raises(RuntimeError, match="no such setting"):
        program.require()
    program.close()


def test_children_are_engines_unless_they_are_the_supervisors_own(place: Path) -> None:
    with ending(subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60 & wait"], env={"HOME": str(place)})) as parent:
        eventually(lambda: len(processes.engines_of([parent.pid])) == 2)
        found = processes.engines_of([parent.pid])

        own = [parent.pid, min(found)]
        assert processes.engines_of(own) == {max(found)}
        processes.sweep(place)

    assert find_leftovers(place) == []


@pytest.mark.parametrize(("restarts", "became"), [("adopt", [2, 0, 0]), ("lose", [0, 2, 0]), ("double", [0, 0, 2])])
def test_what_became_of_engines_is_counted(place: Path, restarts: str, became: list[int]) -> None:
    toy = Toy(place, restarts)
    toy.start()
    stand = Stand(toy, 2)
    stand.fill(2)

    took_s, *counts = stand.recover()

    assert took_s > 0
    assert counts == became
    assert len(find_leftovers(place)) == 3  # the supervisor and two engines: the doubled were ended
    toy.close()


def test_memory_is_summed_over_processes() -> None:
    rss_bytes, pss_bytes = processes.memory_bytes([os.getpid(), os.getpid()])

    assert rss_bytes == pytest.approx(2 * psutil.Process().memory_info().rss, rel=0.2)
    assert 0 < pss_bytes <= rss_bytes


def test_sixteen_clients_are_not_let_loose_on_who_is_too_slow(place: Path) -> None:
    ours, slow = Toy(place), Toy(place, name="circus", rate=0.5)
    table = Table([Stand(ours, 1), Stand(slow, 1)], {}, 1, 1)

    alone, together = table.rates(Question.ONE)

    assert (alone.name, alone.values) == ("status of one, 1 client", {OURS: 10, "circus": 0.5})
    assert (together.name, together.values) == ("status of one, 16 clients", {OURS: 160})
    assert [*together.missing] == ["circus"]
    assert [row.values for row in table.rates(Question.USAGE)] == [{}, {}]


def test_those_above_the_number_wanted_are_removed(place: Path) -> None:
    toy = Toy(place)
    stand = Stand(toy, 1)

    assert stand.fill(3) == [0.5, 0.5, 0.5]
    assert [*toy.engines] == ["s0"]
    toy.close()


def test_a_peer_that_fails_is_measured_no_more_and_ours_fails_loudly(place: Path) -> None:
    peer, ours = Stand(Toy(place, name="PM2"), 1), Stand(Toy(place), 1)

    assert peer.attempt(_raise) == []
    assert peer.failure == "no starts today"
    assert peer.attempt(lambda: [1.0]) == []
    with pytest.raises(RuntimeError):
        ours.attempt(_raise)


def _raise() -> Sequence[float]:
    raise RuntimeError("no starts today")


def test_who_cannot_be_installed_is_missing_with_a_reason(place: Path) -> None:
    found = find_peers(
        [Peer(OURS, Toy), Peer("PM2", _refuse), Peer("circus", lambda folder: _Dead(folder, name="circus"))]
    )

    assert [peer.name for peer in found.peers] == [OURS]
    assert found.missing == {"PM2": "there is no compiler for it", "circus": "its port is taken"}
    assert find_leftovers(place) == []


def _refuse(folder: Path) -> Toy:
    assert folder.is_dir()
    raise MissingError("there is no compiler for it")


class _Dead(Toy):
    """Does not start."""

    def start(self) -> None:
        raise RuntimeError("a traceback\nits port is taken")


@pytest.mark.slow
def test_a_package_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"\S"):
        install_by_pip(tmp_path, (f"{tmp_path}/none.whl",))


def test_the_cache_is_the_users_unless_another_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENWA_BENCH_PEERS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    in_cache = cache_folder()
    monkeypatch.setenv("OPENWA_BENCH_PEERS", str(tmp_path / "here"))

    assert in_cache == tmp_path / "openwa-manager" / "peers"
    assert cache_folder() == tmp_path / "here"


@pytest.mark.slow
@pytest.mark.registry
@pytest.mark.timeout(600)
def test_three_sessions_are_measured_with_every_peer_there_is() -> None:
    place = find_peers(contenders(cache_folder()))
    if len(place.peers) == 1:
        pytest.skip(f"no peer runs here: {place.missing}")
    rows = {row.name: row for row in measure_size(place, 3, 10)}
    names = {peer.name for peer in place.peers}

    assert all(row.missing == place.missing for row in rows.values())
    assert rows["crash → replacement"].values.keys() == names
    assert rows["supervisor's PSS"].values.keys() == names
    assert rows["CLI list"].values.keys() == names
    assert rows["status of one, 16 clients"].values.keys() == names - {"runit"}
    assert rows["  of its engines adopted"].values[OURS] == 3
    assert {name: _fates(rows, name) for name in names} == dict.fromkeys(names, 3)
    assert _sleepers() == []


def _fates(rows: Mapping[str, Row], name: str) -> float:
    return sum(rows[row].values[name] for row in ("  of its engines adopted", "  lost", "  doubled"))


def _sleepers() -> list[int]:
    return [each.pid for each in psutil.process_iter(["cwd"]) if "/openwa-peer-" in str(each.info["cwd"])]
