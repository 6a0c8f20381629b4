"""Looks whether an engine runs in a session's directory, before one is launched there."""

from collections.abc import Callable
from contextlib import suppress

from openwa_manager.domain.errors import FilesStuckError, OwnedElsewhereError
from openwa_manager.domain.ports import FoundEngine
from openwa_manager.domain.session.session import ProcessState, Session
from openwa_manager.services.starting.dependencies import Dependencies

#: A look at all processes takes some 20 ms. Before a restart it is taken so long before the pause is over, and counts
#: for so long, that it costs no time.
_AHEAD_S = 0.15
_VALID_S = 0.5


class DirectoryCheck:
    """The looks into one session's directory; `current` returns the session as it is when asked."""

    def __init__(self, dependencies: Dependencies, current: Callable[[], Session]) -> None:
        self._dependencies = dependencies
        self._current = current
        self._free_boot_s: float | None = None

    async def look_ahead(self) -> None:
        """Look shortly before the pause before a restart is over; what is found then is said by the launch."""
        session, clock = self._current(), self._dependencies.clock
        if session.restarts.next_at is None:
            return
        now = clock.now()
        await clock.sleep_until(now.boot_s + max(0.0, session.restarts.next_at - now.at - _AHEAD_S))
        if self._current().process is ProcessState.BACKOFF:
            with suppress(OwnedElsewhereError, FilesStuckError, OSError):
                self._free_boot_s = clock.now().boot_s if await self._find_own() is None else None

    async def find_own_now(self) -> FoundEngine | None:
        """Return the engine of ours that runs there; a look that was taken ahead and found none counts, once.

        Raises:
            OwnedElsewhereError: one does that is not proven ours.
            FilesStuckError: the disk does not answer.
        """
        looked_boot_s, self._free_boot_s = self._free_boot_s, None
        if looked_boot_s is not None and self._dependencies.clock.now().boot_s - looked_boot_s <= _VALID_S:
            return None
        return await self._find_own()

    async def _find_own(self) -> FoundEngine | None:
        session, dependencies = self._current(), self._dependencies
        is_first = session.launch_count <= 1
        if is_first and not await dependencies.files_of(session.session_id).has_directory():
            return None  # in one that its first launch makes nobody can be
        return await dependencies.launcher.find_own(session.session_id, dependencies.directory(session.session_id))
