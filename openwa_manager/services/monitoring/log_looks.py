"""Looks at the logs of engines that gave no answer."""

import asyncio
import os
import stat

from openwa_manager.domain.errors import FilesStuckError
from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import glance_at, plain_status_of

#: A look that takes longer is none: the next probe brings another.
_LOOK_WITHIN_S = 2.0
#: No session's: the looks wait for each other, and for nothing else.
_LOOKS = SessionId("/looks")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """One state of an engine's log: equal ones mean that nothing was written in between; `modified_at` is wall time."""

    modified_at: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Wanted:
    log: ForeignPath
    known: LogState | None


class LogLooks:
    """Looks at all logs that are asked for at the same time in one go: a thread for each takes ten times as long."""

    def __init__(self, files: EngineFiles) -> None:
        self._files = files
        self._wanted: dict[SessionId, _Wanted] = {}
        self._found: dict[SessionId, LogState | None] = {}
        self._turn = asyncio.Lock()

    async def look(self, session_id: SessionId, log: ForeignPath, known: LogState | None) -> LogState | None:
        """Return the state of a session's log, which is quicker to see if it is as `known`; None when there is none.

        Raises:
            FilesStuckError: it does not answer.
        """
        self._wanted[session_id] = _Wanted(log, known)
        await asyncio.sleep(0)  # those whose probes end in this turn of the loop want the same
        async with self._turn:
            if session_id in self._wanted:  # nobody has looked for us
                wanted, self._wanted = self._wanted, {}
                self._found = await self._files.run_for_each(
                    lambda each: _look(wanted[each]), wanted, queue=_LOOKS, within_s=_LOOK_WITHIN_S
                )
            if session_id not in self._found:
                raise FilesStuckError(f"the log of session {session_id} does not answer")
            return self._found[session_id]


def _look(wanted: _Wanted) -> LogState | None:
    seen = glance_at(wanted.log)
    if seen is not None and stat.S_ISREG(seen.st_mode) and _state_of(seen) == wanted.known:
        return wanted.known
    status = plain_status_of(wanted.log)
    return None if status is None else _state_of(status)


def _state_of(status: os.stat_result) -> LogState:
    return LogState(modified_at=status.st_mtime, size_bytes=status.st_size)
