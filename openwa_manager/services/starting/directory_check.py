"""Looks whether an engine runs in a session's directory, before one is launched there or the directory is removed."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

from openwa_manager.domain.errors import FilesStuckError, OwnedElsewhereError
from openwa_manager.domain.ports import FoundEngine, Target
from openwa_manager.domain.session.session import Identity, ProcessState, Session, SessionId
from openwa_manager.services.starting.dependencies import Dependencies

_log = structlog.get_logger()

#: A look at all processes takes some milliseconds. It is begun so long before the pause before a restart is over, or
#: while a launch is being recorded, and counts for so long, that a launch does not wait for it.
_AHEAD_S = 0.15
_VALID_S = 0.5
#: For so long after its end counts what is known of an engine that left nobody.
_LEFT_NOTHING_S = 0.05


class _Look(NamedTuple):
    """What counts as a look for launch `number` until `until_boot_s`; it comes to whether nobody was found."""

    number: int
    until_boot_s: float
    is_free: asyncio.Future[bool]


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
            until_boot_s = self._dependencies.clock.now().boot_s + _VALID_S
            self._look = _Look(number, until_boot_s, tasks.create_task(self._is_free(number)))

    def note_end(self, identity: Identity) -> None:
        """Spare the launch that follows at once a look, if our engine, which has just ended, left nobody.

        Beside a living engine nobody looks for others either, and the lock keeps those of other daemons away. After a
        pause this would not count any more, so nobody is asked.
        """
        if self._dependencies.policy.restart.backoff_first_s > _LEFT_NOTHING_S:
            return
        session = self._current()
        if self._dependencies.launcher.left_nothing(session.session_id, identity):
            is_free: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            is_free.set_result(True)
            until_boot_s = self._dependencies.clock.now().boot_s + _LEFT_NOTHING_S
            self._look = _Look(session.launch_count + 1, until_boot_s, is_free)

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
        return look is not None and look.number == number and now_boot_s <= look.until_boot_s

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
