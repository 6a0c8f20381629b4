"""Watches directories by watchfiles: inotify on Linux.

Not on macOS: there its library restarts a stream and a thread of FSEvents for each path, and keeps Python's lock while
it does so, which has been reported to take for ever.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from openwa_manager.domain.session.session import SessionId, is_session_id
from openwa_manager.watcher.directory_watch import ROOT, Changed, Directories, WatchUnavailableError
from openwa_manager.watcher.qr_file import QR_FILE

if TYPE_CHECKING:
    from watchfiles import Change

#: Every write below the root restarts the step, a filter does not help: beside an engine that writes its auth files 50
#: times a second the defaults (1600/50) showed a code after 1.5 s. A thread wakes at each step, as long as any code is
#: awaited: a code is told after one to two steps, and after 100 ms at the latest.
_STEP_MS, _DEBOUNCE_MS = 25, 50


class WatchfilesWatch:
    """One watch of all directories, opened anew when others are given; only changes of a `qr.png` count."""

    scan_period_s = 2.0
    #: Opening the watch stops everything for 50 us per directory (measured): with many it is done less often.
    pause_per_directory_s = 0.005

    def __init__(self, root: Path) -> None:
        self._root = root

    async def follow(
        self,
        directories: Directories,
        *,
        until: asyncio.Event,
        opened: Callable[[], None],
        changed: Callable[[Changed], Awaitable[None]],
    ) -> None:
        """Pass on what changes in these directories until others are to be watched."""
        if "watchfiles" not in sys.modules:  # it takes as long as a tenth of the daemon's start, and 3 MB
            await asyncio.to_thread(_load)
        from watchfiles._rust_notify import WatchfilesRustInternalError

        try:
            await self._follow(directories, until, opened, changed)
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, UnicodeEncodeError, WatchfilesRustInternalError) as error:  # a path may be no UTF-8
            raise WatchUnavailableError(str(error)) from error
        except ExceptionGroup as errors:  # pragma: no cover (a watch that breaks off; nothing makes it do so)
            troubles, bugs = errors.split(WatchfilesRustInternalError)
            if bugs is not None:
                raise bugs from errors
            raise WatchUnavailableError(str(troubles)) from errors

    def close(self) -> None:
        """Nothing is held between two calls of `follow`."""

    async def _follow(
        self,
        directories: Directories,
        until: asyncio.Event,
        opened: Callable[[], None],
        changed: Callable[[Changed], Awaitable[None]],
    ) -> None:
        from watchfiles import awatch

        root = await asyncio.to_thread(self._root.resolve)  # some systems report real paths

        def counts(_: "Change", path: str) -> bool:
            return owner_of(root, path) is not None

        watch = awatch(
            *(root if each == ROOT else root / each for each in directories),
            watch_filter=counts,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=until,
            recursive=False,
            force_polling=False,
        )
        opened()  # it is opened now, before anybody else has a turn
        async with aclosing(watch) as batches:
            async for batch in batches:
                await changed(frozenset(owner for _, path in batch if (owner := owner_of(root, path)) is not None))


def _load() -> None:
    """Import what only a daemon needs whose sessions wait for a code."""
    import watchfiles  # noqa: F401

    import_module("anyio._backends._asyncio")  # which the first watch would load, in the event loop


def owner_of(root: Path, path: str) -> SessionId | None:
    """Return whose code a path below `root` is; ROOT for what lies there, as sessions' directories do; else None."""
    if str(root) in (path, path.rpartition("/")[0]):
        return ROOT
    session_id, separator, rest = path.removeprefix(f"{root}/").partition("/")
    return SessionId(session_id) if separator and rest == QR_FILE and is_session_id(session_id) else None
