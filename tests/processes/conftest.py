import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import LaunchPlan, Target
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, LaunchId, SessionId
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.reading.identity import live_identity_of
from openwa_manager.processes.reading.table import read_tagged_processes
from openwa_manager.processes.signals import send_signal
from tests.fakes.clock import FakeClock

#: What every program of these tests may use: `tell` answers the test, which waits for it, through a named pipe.
PROLOGUE = """
import json, os, signal, subprocess, sys, time
def tell(*facts):
    with open(os.environ["TELL"], "w") as pipe:
        pipe.write(json.dumps(facts) + "\\n")
def wait_for_ever():
    while True:
        signal.pause()
"""


@dataclass
class Stage:
    """One session with its directory, and programs to put into it."""

    directory: Path
    session_id: SessionId = field(default=SessionId("user_1"))
    launch_id: LaunchId = field(default_factory=lambda: LaunchId(str(uuid.uuid4())))

    ears: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        os.mkfifo(self.directory / "tell")
        self._ear = os.open(self.directory / "tell", os.O_RDWR | os.O_NONBLOCK)
        self.ears.append(self._ear)  # `replace` hands the list on, so the fixture closes them all

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "TELL": str(self.directory / "tell"),
            LAUNCH_ID_VARIABLE: self.launch_id,
        }

    def plan(self, *argv: str) -> LaunchPlan:
        return LaunchPlan(
            session_id=self.session_id,
            launch_id=self.launch_id,
            argv=argv,
            env=self.env,
            cwd=self.directory,
            log_path=of_session(self.directory).child("logs", "engine.log"),
        )

    def python(self, program: str, *arguments: str) -> LaunchPlan:
        return self.plan(sys.executable, "-c", PROLOGUE + program, *arguments)

    def target(self, identity: Identity | None) -> Target:
        return Target(session_id=self.session_id, launch_id=self.launch_id, directory=self.directory, identity=identity)

    async def told(self) -> list[int]:
        """Return what the program tells next."""
        loop, line = asyncio.get_running_loop(), b""
        while not line.endswith(b"\n"):
            readable = asyncio.Event()
            loop.add_reader(self._ear, readable.set)
            async with asyncio.timeout(20):
                await readable.wait()
            loop.remove_reader(self._ear)
            line += os.read(self._ear, 1)
        facts: list[int] = json.loads(line)
        return facts

    def orphan(self, program: str, *arguments: str) -> Identity:
        """Start a program whose parent is gone at once: to us it is what an engine of an earlier daemon is."""
        parent = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=2); p.returncode = 0; print(p.pid)"
        told = subprocess.run(
            [sys.executable, "-c", parent, sys.executable, "-c", PROLOGUE + program, *arguments],
            env=self.env,
            cwd=self.directory,
            stdout=subprocess.PIPE,
            check=True,
            timeout=30,
        )
        identity = live_identity_of(int(told.stdout))
        assert identity is not None
        return identity


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path / "sessions" / "user_1")
    yield stage
    table = read_tagged_processes()
    for process in table.descendants(each.identity for each in table.of_launch(stage.launch_id)):
        send_signal(process.identity, signal.SIGKILL)
    for process in table.in_directory(tmp_path):
        send_signal(process.identity, signal.SIGKILL)
    for ear in stage.ears:
        os.close(ear)


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[HostLauncher]:
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), SystemClock(), EngineFiles())
    yield launcher
    launcher.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def timeless(tmp_path: Path, clock: FakeClock) -> AsyncIterator[HostLauncher]:
    """Make a launcher for which time only passes when the test says so."""
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), clock, EngineFiles())
    yield launcher
    launcher.close()
