"""What every supervisor works with; built once by the daemon."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

import structlog

from openwa_manager.domain.errors import EngineError, EngineUnableError
from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.ports import CanLogOut, CanPair, Clock, Engine, Launcher
from openwa_manager.domain.session.restart import Policy
from openwa_manager.domain.session.session import Launch, Session, SessionId, log_path_of
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.services.build_choices import BuildChoices
from openwa_manager.services.changes import Changes
from openwa_manager.services.host_state import HostState
from openwa_manager.services.starting.inner_ids import InnerIds
from openwa_manager.services.starting.session_files import SessionFiles
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.store.database import Database

_log = structlog.get_logger()

#: How long it may take to unlink a device.
_UNLINK_WITHIN_S = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What a supervisor works with: `chance` draws from [0, 1), `logs_root` None keeps logs in session directories."""

    clock: Clock
    chance: Callable[[], float]
    database: Database
    launcher: Launcher
    engines: Mapping[str, Engine]
    gate: StartGate
    ports: PortPool
    sockets: EngineSockets
    policy: Policy
    sessions_root: Path
    logs_root: Path | None
    stop_grace_s: float
    files: EngineFiles
    changes: Changes
    host_state: HostState
    inner_ids: InnerIds = field(default_factory=InnerIds)
    builds: BuildChoices = field(default_factory=BuildChoices)

    def directory(self, session_id: SessionId) -> Path:
        """Return the session's own directory."""
        return self.sessions_root / session_id

    def log_path(self, session_id: SessionId) -> ForeignPath:
        """Return where the session's engine writes its output."""
        return log_path_of(session_id, self.sessions_root, self.logs_root)

    def files_of(self, session_id: SessionId) -> SessionFiles:
        """Return what the daemon itself does in the session's directory."""
        directory = of_session(self.directory(session_id))
        return SessionFiles(self.files, session_id, directory, self.log_path(session_id))

    def engine_of(self, session: Session) -> Engine:
        """Return how to speak to this session's engine."""
        return self.engines[session.spec.engine]

    async def require_program_of(self, session: Session) -> None:
        """Return if what the session's next launch runs is there.

        Raises:
            ProgramMissingError: it is not; the message says what to do.
        """
        await self.engine_of(session).require_program(self.builds.of(session))

    def pairing_of(self, session: Session) -> CanPair:
        """Return the session's engine as one that gives pairing codes.

        Raises:
            EngineUnableError: its kind gives none.
        """
        engine = self.engine_of(session)
        if not isinstance(engine, CanPair):
            raise EngineUnableError(f"an engine of the kind {session.spec.engine!r} gives no pairing codes")
        return engine

    def log_out_of(self, session: Session) -> CanLogOut:
        """Return the session's engine as one that can unlink its device.

        Raises:
            EngineUnableError: its kind cannot.
        """
        engine = self.engine_of(session)
        if not isinstance(engine, CanLogOut):
            raise EngineUnableError(f"an engine of the kind {session.spec.engine!r} cannot unlink its device")
        return engine

    async def unlink_device(self, session: Session, launch: Launch) -> bool:
        """Unlink the device of an engine that is about to end; tell whether it was, and log what is in the way."""
        try:
            async with asyncio.timeout(_UNLINK_WITHIN_S):
                await self.log_out_of(session).log_out(session, launch)
        except (EngineError, TimeoutError) as error:
            detail = str(error) or f"not within {_UNLINK_WITHIN_S:.0f} s"
            _log.warning("not_unlinked_before_end", session_id=session.session_id, error=detail)
            return False
        return True
