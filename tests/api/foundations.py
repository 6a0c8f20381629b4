"""What a world stands on: a launcher, a kind of engine, and what runs sessions."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openwa_manager.domain.session.restart import Policy
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import Program
from openwa_manager.engines.registry import OPENWA
from openwa_manager.engines.variables import SIMULATOR_OF_SESSIONS
from openwa_manager.host.clock import SystemClock
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
from openwa_manager.store.delivery.kept_changes import StoredChanges

QUICK = {"SIM_QR_DELAY_S": "0.05", "SIM_OPEN_S": "0.05", "SIM_RECONNECT_S": "0.05"}
GRACE_S = 2.0
#: Its threads are shared by all worlds, and end with the program.
FILES = EngineFiles()


@contextmanager
def launcher_in(locks: Path) -> Iterator[HostLauncher]:
    locks.mkdir()
    launcher = HostLauncher(SessionLocks(locks), SystemClock(), FILES)
    try:
        yield launcher
    finally:
        launcher.close()


def engine_of(program: Program, intake_port: int, database: Database, silence_s: float) -> OpenwaEngine:
    context = EngineContext(
        environ=dict(os.environ),
        intake_url=f"http://127.0.0.1:{intake_port}",
        proof=EngineListeners(),
        engine_env=QUICK,
        changes=StoredChanges(database),
    )
    return OpenwaEngine(
        OpenwaSetup(
            program=program, engine_context=context, forward_silence_s=silence_s, session_env=SIMULATOR_OF_SESSIONS
        ),
        SystemClock(),
        FILES,
    )


def dependencies_of(
    home: Path,
    database: Database,
    engine: OpenwaEngine,
    launcher: HostLauncher,
) -> Dependencies:
    first_port = 20_000 + os.getpid() % 70 * 100  # away from those of other test runs on this machine
    return Dependencies(
        clock=SystemClock(),
        chance=lambda: 0.5,
        database=database,
        launcher=launcher,
        engines={"simulator": engine, OPENWA: engine},
        gate=StartGate(SystemClock(), 8, 0.0, lambda: None),
        ports=PortPool(first_port, first_port + 99),
        sockets=EngineSockets(home / "e"),
        policy=Policy(),
        sessions_root=home / "sessions",
        logs_root=None,
        stop_grace_s=GRACE_S,
        files=FILES,
        changes=Changes(),
        host_state=HostState(SystemClock()),
    )
