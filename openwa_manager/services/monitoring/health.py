"""Gathers what is measured of one session and its engine."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.session.session import Identity, Session, SessionId, Usage
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import is_directory, plain_status_of
from openwa_manager.services.messaging.control.views import QueueBrief
from openwa_manager.services.monitoring.probe_records import ProbeRecord
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox

#: How long the answer waits for the disk of a session's directory.
_LOOK_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """What was measured of one session last; None where nothing was measured, or cannot be.

    `log_written_at` is wall time; `has_heartbeat` tells that the engine posts heartbeats; `lost_directory` is the
    session's directory if an engine runs and it is gone; `are_files_stuck` tells that the disk does not answer.
    """

    session: Session
    record: ProbeRecord | None = None
    usage: Usage | None = None
    open_file_count: int | None = None
    disk_bytes: int | None = None
    log_written_at: float | None = None
    log_bytes: int | None = None
    has_heartbeat: bool = False
    lost_directory: Path | None = None
    are_files_stuck: bool = False
    messages: QueueBrief | None = None


async def _no_messages(session_id: SessionId) -> QueueBrief | None:
    del session_id
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSources:
    """Who is asked for one session's measurements; `open_files` is asked by its engine's process.

    `probe_due_at` tells when its engine is asked next (wall time).
    """

    record: Callable[[SessionId], ProbeRecord | None]
    usage: Callable[[SessionId], Usage | None]
    open_files: Callable[[Identity], int | None]
    disk: Callable[[SessionId], int | None]
    messages: Callable[[SessionId], Awaitable[QueueBrief | None]] = _no_messages
    probe_due_at: Callable[[SessionId], float | None] = lambda _: None


class HealthReader:
    """Asks all who measure, whenever the health of a session is wanted."""

    def __init__(
        self,
        sessions: SessionDirectory,
        inbox: EngineInbox,
        sources: HealthSources,
        sessions_root: Path,
        files: EngineFiles,
    ) -> None:
        self._sessions = sessions
        self._inbox = inbox
        self._root = sessions_root
        self._sources = sources
        self._files = files
        self.next_probe_at = sources.probe_due_at

    async def of(self, session_id: str) -> HealthFacts:
        """Return what is known of a session now.

        Raises:
            SessionNotFoundError: there is none with this id.
        """
        session = self._sessions.get(session_id)
        identity = session.launch.identity if session.launch else None
        directory = self._root / session.session_id
        look = partial(_look_at, of_session(directory), self._sessions.log_path(session_id))
        is_there, written_at, size_bytes, is_stuck = True, None, None, False
        try:
            is_there, written_at, size_bytes = await self._files.run(session.session_id, look, within_s=_LOOK_WITHIN_S)
        except FilesStuckError:
            is_stuck = True
        return HealthFacts(
            session=session,
            record=self._sources.record(session.session_id),
            usage=self._sources.usage(session.session_id),
            open_file_count=self._sources.open_files(identity) if identity else None,
            disk_bytes=self._sources.disk(session.session_id),
            log_written_at=written_at,
            log_bytes=size_bytes,
            has_heartbeat=self._inbox.has_heartbeat(session),
            lost_directory=directory if identity and not is_there else None,
            are_files_stuck=is_stuck,
            messages=await self._sources.messages(session.session_id),
        )


def _look_at(directory: ForeignPath, log: ForeignPath) -> tuple[bool, float | None, int | None]:
    """Return whether the directory is there, when the log was written to last, and how long it is."""
    status = plain_status_of(log)
    return is_directory(directory), status.st_mtime if status else None, status.st_size if status else None
