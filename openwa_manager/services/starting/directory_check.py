"""Looks whether an engine runs in a session's directory, before one is launched there or the directory is removed."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

from openwa_manager.domain.errors import FilesStuckError, OwnedElsewhereError
from openwa_manager.domain.ports import FoundEngine, Target
from openwa_manager.domain.session.session import ProcessState, Session, SessionId
from openwa_manager.services.starting.dependencies import Dependencies

_log = structlog.get_logger()

#: A look at all processes takes some milliseconds. It is begun so long before the pause before a restart is over, or
#: while a launch is being recorded, and counts for so long, that a launch does not wait for it.
_AHEAD_S = 0.15
_VALID_S = 0.5


class _Look(NamedTuple):
    """A look that was begun ahead of launch `number`; it comes to whether nobody was found."""

    number: int
    begun_boot_s: float
    is_free: asyncio.Task[bool]


class DirectoryCheck:
    """The looks into one session's directory; `current` returns the session as it is when asked."""

    def __init__(self, dependencies: Dependencies, current: Callable[[], Session]) -> None:
        self._dependencies = dependencies
        self._current = current
        self._look: _Look | None = None

    async def look_ahead(self, tasks: asyncio.TaskGroup) -> None:
        """Look shortly before the pause before a restart is over; what is found then is said by the launch."""
        session, clock = self._current(), self._dependencies.clock
        if session.restarts.next_at is None:
            return
        now = clock.now()
        await clock.sleep_until(now.boot_s + max(0.0, session.restarts.next_at - now.at - _AHEAD_S))
        if self._current().process is ProcessState.BACKOFF:
            self.begin(self._current().launch_count + 1, tasks)

    def begin(self, number: int, tasks: asyncio.TaskGroup) -> None:
        """Begin a look for launch `number`, unless one was begun just now."""
        if not self._counts(self._look, number):
            begun_boot_s = self._dependencies.clock.now().boot_s
            self._look = _Look(number, begun_boot_s, tasks.create_task(self._is_free(number)))

    async def find_own_now(self, number: int) -> FoundEngine | None:
        """Return the engine of ours that runs there before launch `number`.

        A look that was begun ahead of it counts, once, if it found nobody.

        Raises:
            OwnedElsewhereError: one does that is not proven ours.
            FilesStuckError: the disk does not answer.
        """
        look, self._look = self._look, None
        if look is not None and self._counts(look, number) and await look.is_free:
            return None
        return await self._find_own(number)

    def _counts(self, look: _Look | None, number: int) -> bool:
        now_boot_s = self._dependencies.clock.now().boot_s
        return look is not None and look.number == number and now_boot_s - look.begun_boot_s <= _VALID_S

    async def _is_free(self, number: int) -> bool:
        try:
            return await self._find_own(number) is None
        except (OwnedElsewhereError, FilesStuckError, OSError):
            return False

    async def _find_own(self, number: int) -> FoundEngine | None:
        session_id, dependencies = self._current().session_id, self._dependencies
        if number <= 1 and not await dependencies.files_of(session_id).has_directory():
            return None  # in one that its first launch makes nobody can be
        return await dependencies.launcher.find_own(session_id, dependencies.directory(session_id))


async def end_unknown(dependencies: Dependencies, session_id: SessionId) -> None:
    """End an engine of ours in the directory that the registry does not know; nobody is there when this returns.

    Raises:
        OwnedElsewhereError: somebody else's engine runs there.
        FilesStuckError: the disk does not answer.
    """
    directory, launcher = dependencies.directory(session_id), dependencies.launcher
    while (own := await launcher.find_own(session_id, directory)) is not None:
        _log.warning("unknown_engine_ended", session_id=session_id, pid=own.identity.pid)
        target = Target(session_id=session_id, launch_id=own.launch_id, directory=directory, identity=own.identity)
        await launcher.end(target, dependencies.stop_grace_s)
