"""What is asked of an engine that its kind cannot do is refused by name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.errors import EngineUnableError
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import Spec
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
from tests.domain.session.driver import a_session
from tests.fakes.clock import FakeClock

SESSION = replace(a_session(), spec=Spec(engine="command"))


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


def test_a_kind_of_engine_that_gives_no_pairing_codes_is_named(dependencies: Dependencies) -> None:
    with pytest.raises(EngineUnableError, match="'command' gives no pairing codes"):
        dependencies.pairing_of(SESSION)


def test_a_kind_of_engine_that_cannot_log_out_is_named(dependencies: Dependencies) -> None:
    with pytest.raises(EngineUnableError, match="'command' cannot unlink its device"):
        dependencies.log_out_of(SESSION)
