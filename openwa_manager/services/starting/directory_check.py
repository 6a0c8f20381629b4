"""Makes sure that no engine runs in a session's directory before one is launched there."""

from collections.abc import Callable
from contextlib import suppress

from openwa_manager.domain.errors import FilesStuckError, OwnedElsewhereError
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
                await self.require_free()
                self._free_boot_s = clock.now().boot_s

    async def require_free_now(self) -> None:
        """Return once no engine runs there; a look that was taken ahead counts, once.

        Raises:
            OwnedElsewhereError: one does that is not ours to end.
            FilesStuckError: the disk does not answer.
        """
        looked_boot_s, self._free_boot_s = self._free_boot_s, None
        if looked_boot_s is None or self._dependencies.clock.now().boot_s - looked_boot_s > _VALID_S:
            await self.require_free()

    async def require_free(self) -> None:
        """Return once no engine runs there now.

        Raises:
            OwnedElsewhereError: one does that is not ours to end.
            FilesStuckError: the disk does not answer.
        """
        session_id, dependencies = self._current().session_id, self._dependencies
        if await dependencies.files_of(session_id).has_directory():  # in one that is not there yet nobody can be
            await dependencies.launcher.require_free(session_id, dependencies.directory(session_id))
