"""Watches directories on macOS: one kqueue that the event loop reads, EVFILT_VNODE for a descriptor of each.

Whatever comes into a directory, goes or is renamed there posts NOTE_WRITE on it; when it is itself renamed or removed,
NOTE_RENAME or NOTE_DELETE (`bsd/vfs/kpi_vfs.c` of XNU: VNOP_CREATE, post_rename, VNOP_REMOVE, VNOP_RMDIR). What is
written into a file that is there posts nothing on its directory, so files are looked at besides.

When the disk goes away (a descriptor with O_EVTONLY does not keep it, vflush in `bsd/vfs/vfs_subr.c`), EV_EOF comes,
whatever was asked for, and the registration ends (filt_vnode_common in `bsd/vfs/vfs_vnops.c`). What comes back in the
same place may have the same device and inode, so the directory is opened anew then.
"""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import open_to_watch
from openwa_manager.host.kernel.queue import (
    EV_CLEAR,
    EV_EOF,
    EVFILT_VNODE,
    NOTE_DELETE,
    NOTE_RENAME,
    NOTE_WRITE,
    KernelQueue,
)
from openwa_manager.watcher.directory_watch import ROOT, Changed, Directories, DirectoryId, WatchUnavailableError

#: Beside an engine that writes into its directory all the time, it is looked at no more often than this.
_PAUSE_S = 0.05
#: An opening that takes longer is none: until the next one the directory is only scanned.
_OPEN_WITHIN_S = 2.0
#: No session's: openings wait for each other, and for nothing else.
_OPENINGS = SessionId("/watch")
#: Refusals that have nothing to do with the directory.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A directory that is open: what tells it from a later one, and its descriptor."""

    directory_id: DirectoryId
    fd: int

    def close(self) -> None:
        os.close(self.fd)  # which ends its registration, too


class VnodeWatch:
    """A descriptor of each directory; to add one leaves the others as they are.

    `open_queue` raises OSError when there can be none. A directory that cannot be opened, because its engine has
    closed it or put something else there, is not watched, and keeps no other from being so.
    """

    scan_period_s = 0.5
    pause_per_directory_s = 0.0

    def __init__(self, root: Path, files: EngineFiles, open_queue: Callable[[], KernelQueue]) -> None:
        self._root = root
        self._files = files
        self._open_queue = open_queue
        self._queue: KernelQueue | None = None
        self._opened: dict[SessionId, _Opened] = {}
        self._changed: set[SessionId] = set()
        self._has_news = asyncio.Event()

    async def follow(
        self,
        directories: Directories,
        *,
        until: asyncio.Event,
        opened: Callable[[], None],
        changed: Callable[[Changed], Awaitable[None]],
    ) -> None:
        """Pass on what changes in these directories until others are to be watched."""
        try:
            await self._open(directories)
        except OSError as error:
            self.close()
            raise WatchUnavailableError(str(error)) from error
        opened()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_set_once(until, self._has_news))
            while not until.is_set():
                self._has_news.clear()
                if self._changed:
                    told, self._changed = frozenset(self._changed), set()
                    await changed(told)
                    await asyncio.sleep(_PAUSE_S)
                else:
                    await self._has_news.wait()

    def close(self) -> None:
        """Give all descriptors back."""
        if self._queue is not None:
            asyncio.get_running_loop().remove_reader(self._queue.fileno())
            self._queue.close()
            self._queue = None
        for each in self._opened.values():
            each.close()
        self._opened.clear()
        self._changed.clear()

    async def _open(self, directories: Directories) -> None:
        """Open those of these directories that are not open yet, and close all others."""
        if self._queue is None:
            self._queue = self._open_queue()
            asyncio.get_running_loop().add_reader(self._queue.fileno(), self._read, self._queue)
        kept = {each for each, is_open in self._opened.items() if directories.get(each) == is_open.directory_id}
        for session_id in self._opened.keys() - kept:
            self._opened.pop(session_id).close()
        wanted = directories.keys() - kept
        if not wanted:
            return
        results = await self._files.run_for_each(
            self._open_one, wanted, queue=_OPENINGS, within_s=_OPEN_WITHIN_S, dispose=_dispose
        )
        self._opened |= {each: result for each, result in results.items() if isinstance(result, _Opened)}
        _raise_if_exhausted(result for result in results.values() if isinstance(result, OSError))
        for session_id in results.keys() & self._opened.keys():
            self._register(session_id, self._queue)

    def _open_one(self, session_id: SessionId) -> "_Opened | OSError":
        parts = () if session_id == ROOT else (session_id,)
        with ExitStack() as unless_returned:
            try:
                fd = open_to_watch(ForeignPath(root=self._root, parts=parts))
                unless_returned.callback(os.close, fd)
                status = os.fstat(fd)  # which fails if its disk went away just now
            except OSError as error:
                return error
            unless_returned.pop_all()
            return _Opened(directory_id=(status.st_dev, status.st_ino), fd=fd)

    def _register(self, session_id: SessionId, queue: KernelQueue) -> None:
        try:
            queue.add(self._opened[session_id].fd, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE | NOTE_DELETE | NOTE_RENAME)
        except OSError as error:
            self._opened.pop(session_id).close()
            _raise_if_exhausted([error])

    def _read(self, queue: KernelQueue) -> None:
        by_fd = {is_open.fd: session_id for session_id, is_open in self._opened.items()}
        for event in queue.read():
            if event.ident not in by_fd:
                continue
            self._changed.add(by_fd[event.ident])
            if event.flags & EV_EOF:
                self._opened.pop(by_fd[event.ident]).close()
            if event.flags & EV_EOF or event.fflags & (NOTE_DELETE | NOTE_RENAME):
                self._changed.add(ROOT)  # where another may lie in its place
            self._has_news.set()


def _raise_if_exhausted(errors: Iterable[OSError]) -> None:
    for error in errors:
        if error.errno in _EXHAUSTED:
            raise error


def _dispose(result: "_Opened | OSError") -> None:
    if isinstance(result, _Opened):
        result.close()


async def _set_once(flag: asyncio.Event, other: asyncio.Event) -> None:
    await flag.wait()
    other.set()
