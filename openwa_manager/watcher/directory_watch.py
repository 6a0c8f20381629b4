"""Says in which of some directories something has changed, whatever the system offers for that."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from openwa_manager.domain.ports import Clock
from openwa_manager.domain.session.session import SessionId

#: No session's id: the directory in which the sessions' directories lie.
ROOT = SessionId("/")

_SCAN_PERIOD_WITHOUT_WATCH_S, _WATCH_RETRY_S, _GONE_PAUSE_S = 1.0, 30.0, 0.05

_log = structlog.get_logger()

#: What tells a directory from a later one in its place: device and inode.
DirectoryId = tuple[int, int]
#: Sessions' directories, and the one they lie in as that of ROOT.
Directories = Mapping[SessionId, DirectoryId]
Changed = frozenset[SessionId]


class WatchUnavailableError(Exception):
    """The system gives no watch now."""


class WatchSource(Protocol):
    """One system's way to learn of changes in directories."""

    #: How often the files in them must be looked at besides: for what this source does not tell.
    scan_period_s: float
    #: How long to leave the directories as they are, for each of them, before others may be given.
    pause_per_directory_s: float

    async def follow(
        self,
        directories: Directories,
        *,
        until: asyncio.Event,
        opened: Callable[[], None],
        changed: Callable[[Changed], Awaitable[None]],
    ) -> None:
        """Call `opened` once they are watched, and then `changed` with those in which something changed.

        Returns once `until` is set. What the next call names again need not be opened again.

        Raises:
            FileNotFoundError: one of them went away just now.
            PermissionError: one of them was closed to us just now.
            WatchUnavailableError: they cannot be watched.
        """
        ...

    def close(self) -> None:
        """Watch nothing any more until the next `follow`."""
        ...


class DirectoryWatch:
    """Keeps a watch on the directories it is given last.

    `look` is awaited with those sessions in whose directories something changed; `find` is called when the directories
    themselves should be looked for: one came or went, or what changed while the watch was opened is to be seen.
    """

    def __init__(
        self, source: WatchSource, clock: Clock, look: Callable[[Changed], Awaitable[None]], find: Callable[[], None]
    ) -> None:
        self._source = source
        self._clock = clock
        self._look = look
        self._find = find
        self._directories: Directories = {}
        self._others_given = asyncio.Event()
        self._is_outdated = False
        self._is_available = True

    @property
    def scan_period_s(self) -> float:
        """How often the files must be looked at besides, as things are."""
        period_s = self._source.scan_period_s
        return period_s if self._is_available else min(period_s, _SCAN_PERIOD_WITHOUT_WATCH_S)

    def pause_s(self, count: int) -> float:
        """Return how long so many directories should stay as they are before others are given."""
        return self._source.pause_per_directory_s * count

    def follow(self, directories: Directories) -> None:
        """Watch these directories from now on, and no others."""
        if directories != self._directories or self._is_outdated:
            self._is_outdated = False
            self._directories = directories
            self._others_given.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                self._others_given.clear()
                if self._directories:
                    await self._follow_on(self._directories)
                else:
                    self._source.close()
                    await self._others_given.wait()
        finally:
            self._source.close()

    async def _follow_on(self, directories: Directories) -> None:
        try:
            await self._source.follow(directories, until=self._others_given, opened=self._find, changed=self._pass_on)
        except (FileNotFoundError, PermissionError):
            self._find()
            await self._clock.sleep_until(self._clock.now().boot_s + _GONE_PAUSE_S)
        except WatchUnavailableError as error:
            await self._do_without(error)

    async def _pass_on(self, changed: Changed) -> None:
        self._is_available = True
        if ROOT in changed:
            self._is_outdated = True  # a directory may have come back in the same place, with the same id
            self._find()
        if sessions := changed - {ROOT}:
            await self._look(sessions)

    async def _do_without(self, error: WatchUnavailableError) -> None:
        """Have all looked at more often for a while."""
        if self._is_available:
            _log.warning("qr_watch_unavailable", error=str(error), scan_period_s=_SCAN_PERIOD_WITHOUT_WATCH_S)
        self._is_available = False
        await self._clock.sleep_until(self._clock.now().boot_s + _WATCH_RETRY_S)
