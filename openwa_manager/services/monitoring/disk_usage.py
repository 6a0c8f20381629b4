"""Measures how much disk every session takes, every 10 minutes, since each file has to be looked at."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.trees import used_bytes

_PERIOD_S = 600.0


class DiskUsage:
    """Knows what each session's directory held when last looked at."""

    def __init__(
        self, clock: Clock, sessions: Callable[[], Iterable[Session]], sessions_root: Path, files: EngineFiles
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._root = sessions_root
        self._files = files
        self._used: Mapping[SessionId, int] = {}

    def used_bytes(self, session_id: SessionId) -> int | None:
        """Return what the session's directory took on the disk; None when it was not measured yet."""
        return self._used.get(session_id)

    async def run(self) -> None:
        """Measure, one directory after the other in a thread, until cancelled."""
        while True:
            next_s = self._clock.now().boot_s + _PERIOD_S
            used: dict[SessionId, int] = {}
            for session_id in [session.session_id for session in self._sessions()]:
                measure = partial(used_bytes, of_session(self._root / session_id))
                with suppress(FilesStuckError):
                    used[session_id] = await self._files.run(session_id, measure)
            self._used = used
            await self._clock.sleep_until(next_s)
