"""A secret is told to an engine only once whoever listens is proven to be it."""

import asyncio
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from openwa_manager.domain.errors import EngineError, EngineTimeoutError
from openwa_manager.domain.session.session import Identity, Launch
from openwa_manager.domain.session.stimuli import EngineReady, Observation
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.http.connectors import connector_to
from openwa_manager.engines.http.forwarding import ForwardedRequest, Forwarder
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.reading.identity import identity_of
from openwa_manager.processes.reading.listeners import EngineListeners
from tests.engines.peer import Peer, serving
from tests.engines.rig import KEY, free_port, new_context, new_launch, new_session
from tests.fakes.process import ending

#: Listens on a port or a socket, answers everything with 200, and keeps what it was told.
STRANGER = """
import os, socket, sys
place, loot = sys.argv[1], open(sys.argv[2], "ab", buffering=0)
server = socket.socket(socket.AF_INET if place.isdigit() else socket.AF_UNIX)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(place)) if place.isdigit() else place)
server.listen()
print("listening", flush=True)
while True:
    connection, _ = server.accept()
    while told := connection.recv(65536):
        loot.write(told)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n[]")
"""


@contextmanager
def stranger_at(place: str, loot: Path) -> Iterator[int]:
    """Have another process listen there, and yield its pid; what it is told lies in `loot`."""
    argv = [sys.executable, "-c", STRANGER, place, str(loot)]
    with ending(subprocess.Popen(argv, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture(params=["port", "socket"])
def launch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Launch]:
    """Give a launch whose engine lives but does not listen."""
    with ending(subprocess.Popen(["sleep", "600"])) as engine:
        place = tmp_path / "s" if request.param == "socket" else None
        yield replace(new_launch(free_port(), socket=place), identity=identity_of(engine.pid))
        engine.kill()


def place_of(launch: Launch) -> str:
    return str(launch.socket or launch.port)


async def test_a_stranger_is_told_nothing_by_a_bring_up(launch: Launch, tmp_path: Path) -> None:
    reported: list[Observation] = []
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=new_context(), answer_timeout_s=2.0)

    with stranger_at(place_of(launch), tmp_path / "loot"):
        async with OpenwaEngine(setup, SystemClock(), EngineFiles()) as engine, asyncio.timeout(20):
            with pytest.raises(EngineError, match="is answered by a stranger"):
                await engine.bring_up(new_session(), launch, reported.append)

    assert reported == []
    assert (tmp_path / "loot").read_bytes() == b""


async def test_a_stranger_is_told_nothing_by_a_forwarded_request(launch: Launch, tmp_path: Path) -> None:
    request = ForwardedRequest(method="POST", target="/api/x", headers=CIMultiDict(), body=b"a private word")
    forwarder = Forwarder(launch, KEY, 5.0, EngineListeners())

    with (
        stranger_at(place_of(launch), tmp_path / "loot"),
        pytest.raises(EngineError, match="is answered by a stranger") as caught,
    ):
        await forwarder.forward(request)
    await forwarder.close()

    assert not isinstance(caught.value, EngineTimeoutError)  # nothing was sent, and that is no doubt
    assert (tmp_path / "loot").read_bytes() == b""


async def test_a_stranger_on_the_port_of_a_command_is_not_asked_for_its_health(tmp_path: Path) -> None:
    asked = CommandEngine(CommandSetup(argv=("true",), engine_context=new_context(), answer_timeout_s=2.0))
    launch = new_launch(free_port())  # its engine is this process

    with stranger_at(place_of(launch), tmp_path / "loot"):
        assert await asked.observe(new_session(), launch) == ()

    assert (tmp_path / "loot").read_bytes() == b""


async def test_an_engine_is_told_what_is_meant_for_it(launch: Launch, tmp_path: Path) -> None:
    with stranger_at(place_of(launch), tmp_path / "loot") as pid:
        client = EngineClient(replace(launch, identity=identity_of(pid)), KEY, 5.0, EngineListeners())
        assert await client.sessions() == []
        await client.close()

    assert KEY.encode() in (tmp_path / "loot").read_bytes()


async def test_a_launch_whose_process_is_unknown_is_told_nothing(launch: Launch, tmp_path: Path) -> None:
    with stranger_at(place_of(launch), tmp_path / "loot"):
        client = EngineClient(replace(launch, identity=None), KEY, 5.0, EngineListeners())
        with pytest.raises(EngineError, match="its process is unknown"):
            await client.sessions()
        await client.close()

    assert (tmp_path / "loot").read_bytes() == b""


async def test_who_takes_the_port_while_we_connect_is_told_nothing(tmp_path: Path) -> None:
    """The engine listens at the first look; at the second one, before anything is said, somebody else does."""

    class Changing(EngineListeners):
        looks = 0

        async def owns(self, port: int, engine: object) -> bool | None:
            del port, engine
            self.looks += 1
            return True if self.looks == 1 else None

    proof = Changing()
    launch = new_launch(free_port())
    with stranger_at(place_of(launch), tmp_path / "loot"):
        client = EngineClient(launch, KEY, 5.0, proof)
        with pytest.raises(EngineError, match="is answered by a stranger"):
            await client.sessions()
        await client.close()

    assert proof.looks == 2
    assert (tmp_path / "loot").read_bytes() == b""


async def test_an_engine_with_a_socket_is_spoken_to_though_a_stranger_has_its_number(tmp_path: Path) -> None:
    launch = new_launch(free_port(), socket=tmp_path / "s")
    reported: list[Observation] = []
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=new_context(), answer_timeout_s=2.0)

    with socket.create_server(("127.0.0.1", launch.port)):
        async with (
            serving(Peer(), launch),
            OpenwaEngine(setup, SystemClock(), EngineFiles()) as engine,
            asyncio.timeout(20),
        ):
            await engine.bring_up(new_session(), launch, reported.append)

    assert isinstance(reported[0], EngineReady)
    assert launch.identity == identity_of(os.getpid())


class _UnknownListener(EngineListeners):
    """Asks a system that forgets who listened once that has hung up, as macOS does."""

    def has(self, pid: int, engine: Identity) -> bool:
        raise OSError(errno.ENOTCONN, f"{pid} {engine.pid}")


async def test_a_connection_whose_listener_cannot_be_told_is_closed(launch: Launch, tmp_path: Path) -> None:
    if launch.socket is None:
        pytest.skip("a port is asked in another way")
    is_closed = asyncio.Event()

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""
        is_closed.set()
        writer.close()

    async with (
        await asyncio.start_unix_server(until_closed, tmp_path / "s"),
        aiohttp.ClientSession(connector=connector_to(launch, _UnknownListener())) as client,
    ):
        with pytest.raises(aiohttp.ClientOSError):
            await client.get("http://localhost/")
        async with asyncio.timeout(5):
            await is_closed.wait()
