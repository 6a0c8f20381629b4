"""Who takes connections by TCP, told by the system."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from openwa_manager.processes.reading.servers import TcpServers, serves_tcp, serves_tcp_by_psutil
from tests.fakes.process import ending

#: Opens what it is told to, forks or starts a child that holds nothing of it, says whose pid is asked about, and waits.
PROGRAM = """
import os, signal, socket, subprocess, sys
family, kind, who = sys.argv[1:]
peer = socket.socketpair()
server = socket.socket(socket.AF_INET6 if family == "6" else socket.AF_INET, socket.SOCK_STREAM)
server.bind(("::1" if family == "6" else "127.0.0.1", 0))
if kind == "listens":
    server.listen()
else:
    accepting = socket.create_server(("127.0.0.1", 0))
    server.connect(accepting.getsockname())
    accepting.close()
print(os.getpid(), flush=True) if who == "itself" else None
if who == "forked":
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    else:
        server.close()
        print(os.getpid(), flush=True)
if who == "started":
    child = "import os, sys, socket; a = socket.socketpair(); print(os.getpid(), flush=True); sys.stdin.read()"
    subprocess.run([sys.executable, "-c", child], timeout=60)
sys.stdin.read()
"""


@contextmanager
def program(*argv: str) -> Iterator[int]:
    command = [sys.executable, "-c", PROGRAM, *argv]
    with ending(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) as running:
        assert running.stdout is not None
        assert running.stdin is not None
        yield int(running.stdout.readline())
        running.stdin.close()


Ask = Callable[[int], bool]
either_way = pytest.mark.parametrize("ask", [serves_tcp, serves_tcp_by_psutil])


@either_way
@pytest.mark.parametrize("family", ["4", "6"])
@pytest.mark.parametrize("who", ["itself", "forked"])
def test_a_process_that_listens_or_was_forked_off_by_one_that_does_serves(ask: Ask, family: str, who: str) -> None:
    if family == "6" and not socket.has_ipv6:  # pragma: no cover
        pytest.skip("no IPv6 here")
    with program(family, "listens", who) as pid:
        assert ask(pid)


@either_way
def test_a_process_that_only_asks_others_does_not_serve(ask: Ask) -> None:
    with program("4", "asks", "itself") as pid:
        assert not ask(pid)


@either_way
def test_a_command_that_a_server_starts_is_no_server(ask: Ask) -> None:
    with program("4", "listens", "started") as pid:
        assert not ask(pid)


@either_way
def test_a_process_that_has_ended_serves_nobody(ask: Ask) -> None:
    with program("4", "listens", "itself") as pid:
        pass

    assert not ask(pid)


async def test_a_server_is_remembered_as_long_as_it_lives() -> None:
    servers = TcpServers()

    with program("4", "listens", "itself") as server, program("4", "asks", "itself") as command:
        for _ in range(2):
            assert await servers.includes(server)
            assert not await servers.includes(command)
        assert len(servers._known) == 1

    assert not await servers.includes(server)


async def test_this_process_asks_for_nobody_else() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        assert serves_tcp(os.getpid())
        assert not await TcpServers().includes(os.getpid())


async def test_no_more_servers_are_remembered_than_a_host_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openwa_manager.processes.reading.servers._KNOWN_MAX", 1)
    servers = TcpServers()

    with program("4", "listens", "itself") as one, program("4", "listens", "itself") as other:
        assert await servers.includes(one)
        assert await servers.includes(other)
        assert len(servers._known) == 1
        assert await servers.includes(one)
