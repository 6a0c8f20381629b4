"""What supervisors work with, in a directory of the test's own and a time that the test passes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openwa_manager.domain.session.restart import Policy
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import EngineContext
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.services.changes import Changes
from openwa_manager.services.host_state import HostState
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock


@pytest.fixture
def dependencies(tmp_path: Path) -> Iterator[Dependencies]:
    clock, context = FakeClock(), EngineContext(environ={}, intake_url="http://localhost", proof=EngineListeners())
    launcher = HostLauncher(SessionLocks(tmp_path / "locks"), clock, EngineFiles())
    yield Dependencies(
        clock=clock,
        chance=lambda: 0.5,
        database=Database(tmp_path / "manager.db"),
        launcher=launcher,
        engines={"command": CommandEngine(CommandSetup(argv=("true",), engine_context=context))},
        gate=StartGate(clock, 1, 0.0, lambda: None),
        ports=PortPool(28100, 28101),
        sockets=EngineSockets(tmp_path / "e"),
        policy=Policy(),
        sessions_root=tmp_path / "sessions",
        logs_root=None,
        stop_grace_s=0.0,
        files=EngineFiles(),
        changes=Changes(),
        host_state=HostState(clock),
    )
    launcher.close()
