"""To which process a listener belongs, told by the system and not by what it says."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.reading import tcp
from openwa_manager.processes.reading.identity import identity_of
from openwa_manager.processes.reading.listeners import EngineListeners, owns_by_psutil

#: Listens where it is told to, says so, and lives until it is killed; with `child` a child of it does that.
LISTENER = """
import os, signal, socket, sys
host, is_child = sys.argv[1], sys.argv[2] == "child"
if is_child and os.fork():
    signal.pause()
server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
server.bind((host, 0))
server.listen()
print(os.getpid(), server.getsockname()[1], flush=True)
signal.pause()
"""


class Peer:
    """A process that listens, or whose child does."""

    def __init__(self, host: str = "127.0.0.1", *, in_child: bool = False) -> None:
        argv = [sys.executable, "-c", LISTENER, host, "child" if in_child else "itself"]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.pid, self.port = map(int, self._process.stdout.readline().split())
        engine = identity_of(self._process.pid)
        assert engine is not None
        self.engine: Identity = engine

    def end(self) -> None:
        for pid in {self.pid, self._process.pid}:
            os.kill(pid, 9)
        self._process.wait(timeout=5)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture
def itself() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.end()


@pytest.fixture
def by_child() -> Iterator[Peer]:
    peer = Peer(in_child=True)
    yield peer
    peer.end()


def own() -> Identity:
    identity = identity_of(os.getpid())
    assert identity is not None
    return identity


async def test_a_port_belongs_to_the_engine_that_listens_there(itself: Peer) -> None:
    assert await EngineListeners().owns(itself.port, itself.engine) is True


async def test_a_port_on_which_a_child_of_the_engine_listens_is_the_engines(by_child: Peer) -> None:
    assert by_child.pid != by_child.engine.pid
    assert await EngineListeners().owns(by_child.port, by_child.engine) is True


async def test_a_port_on_which_somebody_else_listens_is_not_the_engines(itself: Peer, by_child: Peer) -> None:
    assert await EngineListeners().owns(itself.port, by_child.engine) is False


async def test_a_port_on_which_nobody_listens_is_nobodys(itself: Peer) -> None:
    with socket.socket() as bound:  # taken, but nothing listens
        bound.bind(("127.0.0.1", 0))

        assert await EngineListeners().owns(bound.getsockname()[1], itself.engine) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:127.0.0.1"])  # noqa: S104 (what engines really do)
async def test_an_engine_that_listens_on_a_wider_address_is_found(host: str) -> None:
    peer = Peer(host)

    try:
        assert await EngineListeners().owns(peer.port, peer.engine) is True
    finally:
        peer.end()


async def test_an_engine_that_listens_on_another_address_only_does_not_have_the_port() -> None:
    peer = Peer("::1")

    try:
        assert await EngineListeners().owns(peer.port, peer.engine) is None
    finally:
        peer.end()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's own ways to tell")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::1"])  # noqa: S104
def test_of_one_port_the_system_tells_what_its_table_of_all_sockets_says(host: str) -> None:
    peer = Peer(host)

    try:
        assert tcp.inodes_at(peer.port) == tcp.all_inodes().get(peer.port, frozenset())
        assert bool(tcp.inodes_at(peer.port)) is (host != "::1")
        assert not tcp.inodes_at(peer.port) & tcp.inodes_at(peer.port + 1)
    finally:
        peer.end()


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's own ways to tell")
async def test_where_we_may_not_ask_for_one_port_the_table_of_all_sockets_tells(
    itself: Peer, by_child: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "_AF_NETLINK", 255)  # as a service manager answers: there is no such family
    with pytest.raises(OSError, match="not supported"):
        tcp.inodes_at(itself.port)

    listeners = EngineListeners()

    assert await listeners.owns(itself.port, itself.engine) is True
    assert await listeners.owns(itself.port, by_child.engine) is False


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux's own ways to tell")
def test_a_kernel_that_refuses_the_question_is_an_error(itself: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_SOCK_DIAG_BY_FAMILY", 0x1234)

    with pytest.raises(OSError, match="Invalid argument"):
        tcp.inodes_at(itself.port)


async def test_a_stranger_on_a_wider_address_takes_none_of_our_connections(itself: Peer) -> None:
    with socket.socket(socket.AF_INET6) as wider:
        wider.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        wider.bind(("::", itself.port))
        wider.listen()

        assert await EngineListeners().owns(itself.port, itself.engine) is True


async def test_a_process_that_has_ended_owns_nothing(itself: Peer) -> None:
    ended = replace(itself.engine, started=itself.engine.started + 1)  # its pid was given to another

    assert await EngineListeners().owns(itself.port, ended) is False
    assert not EngineListeners().has(itself.pid, ended)


async def test_a_port_is_looked_at_anew_each_time(itself: Peer) -> None:
    listeners = EngineListeners()
    before = [await listeners.owns(itself.port, itself.engine) for _ in range(2)]

    os.kill(itself.pid, signal.SIGSTOP)  # it lives on, so that only its socket tells
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        other = await listeners.owns(stranger.getsockname()[1], itself.engine)

    assert before == [True, True]
    assert other is False


def test_an_engine_has_itself_and_its_descendants(itself: Peer, by_child: Peer) -> None:
    assert EngineListeners().has(itself.pid, itself.engine)
    assert EngineListeners().has(by_child.pid, by_child.engine)
    assert EngineListeners().has(by_child.pid, own())


def test_an_engine_has_neither_its_parent_nor_a_neighbour(itself: Peer, by_child: Peer) -> None:
    assert not EngineListeners().has(os.getpid(), itself.engine)
    assert not EngineListeners().has(itself.pid, by_child.engine)
    assert not EngineListeners().has(0, itself.engine)


def test_where_there_is_no_proc_psutil_tells_the_same(itself: Peer, by_child: Peer) -> None:
    assert owns_by_psutil(itself.port, itself.engine) is True
    assert owns_by_psutil(by_child.port, by_child.engine) is True
    assert owns_by_psutil(itself.port, by_child.engine) is None
    assert owns_by_psutil(itself.port, replace(itself.engine, started=0)) is None
