"""Builds the sessions: what they work with, and those who read, ask, tell and run them."""

import random

from openwa_manager.config.policies import (
    log_policy,
    messaging_policy,
    session_policy,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.parts.basis import Basis
from openwa_manager.parts.hosting import Hosting
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.services.sessions.runner import SessionRunner
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.upkeep.engine_logs import EngineLogs
from openwa_manager.services.upkeep.housekeeping import Housekeeping
from openwa_manager.services.upkeep.store_upkeep import StoreUpkeep
from openwa_manager.watcher.qr import QrWatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """The sessions: what they work with, and those who read, ask, tell and run them."""

    dependencies: Dependencies
    progress: Progress
    directory: SessionDirectory
    inbox: EngineInbox
    runner: SessionRunner
    requests: SessionRequests
    watcher: QrWatcher


def build_sessions(basis: Basis, hosting: Hosting) -> SessionParts:
    """Build the sessions; nothing runs yet."""
    settings = basis.settings
    dependencies = Dependencies(
        clock=basis.clock,
        chance=random.random,
        database=basis.database,
        launcher=hosting.launcher,
        engines=hosting.engines,
        gate=hosting.gate,
        ports=PortPool(settings.engine_ports.first, settings.engine_ports.last),
        sockets=EngineSockets(basis.home.sockets),
        policy=session_policy(settings),
        sessions_root=basis.home.sessions,
        logs_root=settings.logs_path,
        stop_grace_s=settings.stop_grace_s,
        files=basis.files,
        changes=basis.changes,
        host_state=basis.host_state,
    )
    supervisors, progress = Supervisors(), Progress(basis.clock)
    directory = SessionDirectory(supervisors, basis.database, progress)
    inbox = EngineInbox(supervisors, dependencies)
    runner = SessionRunner(supervisors, dependencies, progress, inbox)
    return SessionParts(
        dependencies=dependencies,
        progress=progress,
        directory=directory,
        inbox=inbox,
        runner=runner,
        requests=SessionRequests(supervisors, dependencies, runner, settings.engine),
        watcher=QrWatcher(basis.home.sessions, inbox.receive_qr_file, directory.awaiting_qr, basis.clock, basis.files),
    )


def build_housekeeping(basis: Basis, sessions: SessionParts) -> tuple[Housekeeping, StoreUpkeep]:
    """Build what keeps the home small."""
    logs = EngineLogs(log_policy(basis.settings), basis.files)
    messages = messaging_policy(basis.settings).retention
    store = StoreUpkeep(basis.clock, basis.database, basis.home.copies, basis.generations, messages)
    return Housekeeping(basis.clock, logs, sessions.directory.log_paths), store
