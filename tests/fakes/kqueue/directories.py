"""EVFILT_VNODE on directories by the rules of XNU's `bsd/vfs/kpi_vfs.c` (VNOP_CREATE, post_rename, VNOP_RMDIR, …).

NOTE_WRITE when an entry comes or goes, NOTE_RENAME when the directory was renamed, NOTE_DELETE when it was removed or
replaced. What is written into a file posts nothing on its directory. Closing a descriptor ends its registration
(knote_fdclose in `bsd/kern/kern_event.c`), whatever is opened under its number next. When the disk goes away, which a
descriptor with O_EVTONLY does not prevent (vflush in `bsd/vfs/vfs_subr.c`), EV_EOF comes even if no note asked for it,
and ends the registration (filt_vnode_common in `bsd/vfs/vfs_vnops.c`).
"""

import ctypes
import errno
import fcntl
import os
import select
import signal
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from openwa_manager.host.kernel.queue import (
    EV_CLEAR,
    EV_EOF,
    EV_ONESHOT,
    EVFILT_VNODE,
    NOTE_DELETE,
    NOTE_RENAME,
    NOTE_WRITE,
)
from tests.fakes.kqueue.events import Flag, Kevent, Poll, RefusedError

#: sys/inotify.h.
_IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x40, 0x80, 0x100, 0x200
_IN_MOVE_SELF, _IN_ONLYDIR, _IN_NONBLOCK, _IN_CLOEXEC = 0x800, 0x0100_0000, 0o4000, 0o2000000
_ENTRIES = _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE
_INOTIFY_EVENT = struct.Struct("iIII")
#: Marks what is open behind a registered descriptor, but not what is opened after it; asm-generic/fcntl.h.
_F_SETSIG, _F_GETSIG = 10, 11


@dataclass(slots=True, kw_only=True)
class _DirectoryNote:
    """A registration; `notes` wait to be read, `watch` and `parent` are inotify's names of it and what it lies in."""

    file: tuple[int, int]
    flags: int
    wanted: int
    watch: int
    parent: int
    notes: int = 0
    is_revoked: bool = False

    @property
    def waits(self) -> bool:
        return self.is_revoked or self.notes != 0


@dataclass(slots=True)
class Directories:
    """EVFILT_VNODE."""

    _poll: Poll
    _notes: dict[int, _DirectoryNote] = field(default_factory=dict)
    _inotify: int = -1
    _flag: Flag = field(init=False)

    def __post_init__(self) -> None:
        self._inotify = _inotify_call("inotify_init1", _IN_NONBLOCK | _IN_CLOEXEC)
        self._poll.register(self._inotify, select.POLLIN)
        self._flag = Flag(self._poll)

    @property
    def registered(self) -> set[int]:
        """The descriptors of those that are watched."""
        self._drop_closed()
        return set(self._notes)

    @property
    def waiting(self) -> set[int]:
        """The descriptors of those of which something waits to be read."""
        return {fd for fd, note in self._notes.items() if note.waits}

    def revoke(self, fd: int) -> None:
        """Let the disk of this directory go away."""
        self._pump()
        self._notes[fd].is_revoked = True
        self._show()

    def add(self, change: Kevent) -> None:
        self._drop_closed()
        fd = change.ident
        try:
            file = _file_behind(fd)
        except OSError:
            raise RefusedError(errno.EBADF) from None
        self._pump()
        self._show()
        if (known := self._notes.get(fd)) is not None:  # filt_vntouch
            known.wanted = change.fflags
            return
        fcntl.fcntl(fd, _F_SETSIG, signal.SIGIO)
        watch, parent = (self._watch(fd, way) for way in ("", "/.."))
        self._notes[fd] = _DirectoryNote(
            file=file, flags=change.flags, wanted=change.fflags, watch=watch, parent=parent
        )

    def delete(self, change: Kevent) -> None:
        self._drop_closed()
        if self._notes.pop(change.ident, None) is None:
            raise RefusedError(errno.ENOENT)

    def take(self, max_count: int) -> list[Kevent]:
        self._drop_closed()
        self._pump()
        taken: list[Kevent] = []
        for fd, note in [*self._notes.items()]:
            if note.waits and len(taken) < max_count:
                flags = note.flags | (EV_EOF | EV_ONESHOT if note.is_revoked else 0)
                taken.append(Kevent(ident=fd, filter=EVFILT_VNODE, flags=flags, fflags=note.notes))
                if flags & EV_CLEAR:
                    note.notes = 0
                if flags & EV_ONESHOT:
                    del self._notes[fd]
        self._show()
        return taken

    def close(self) -> None:
        os.close(self._inotify)
        self._flag.close()

    def _show(self) -> None:
        self._flag.show(is_up=bool(self.waiting))

    def _watch(self, fd: int, way: str) -> int:
        path = f"/proc/self/fd/{fd}{way}".encode()
        return _inotify_call("inotify_add_watch", self._inotify, path, _ENTRIES | _IN_MOVE_SELF | _IN_ONLYDIR)

    def _drop_closed(self) -> None:
        for fd, note in [*self._notes.items()]:
            try:
                is_same = _file_behind(fd) == note.file and fcntl.fcntl(fd, _F_GETSIG) == signal.SIGIO
            except OSError:
                is_same = False
            if not is_same:
                del self._notes[fd]

    def _pump(self) -> None:
        for watch, mask in self._inotify_events():
            for fd, note in self._notes.items():
                if watch == note.watch and mask & _ENTRIES:
                    note.notes |= NOTE_WRITE & note.wanted
                if watch == note.watch and mask & _IN_MOVE_SELF:
                    note.notes |= NOTE_RENAME & note.wanted
                    note.parent = self._watch(fd, "/..")
                # inotify does not tell of a removed directory while somebody has it open; its parent does.
                if watch == note.parent and mask & (_IN_DELETE | _IN_MOVED_TO) and os.fstat(fd).st_nlink == 0:
                    note.notes |= NOTE_DELETE & note.wanted

    def _inotify_events(self) -> Iterator[tuple[int, int]]:
        try:
            content = os.read(self._inotify, 65_536)
        except BlockingIOError:
            return
        at = 0
        while at < len(content):
            watch, mask, _, name_bytes = _INOTIFY_EVENT.unpack_from(content, at)
            at += _INOTIFY_EVENT.size + name_bytes
            yield watch, mask


def _file_behind(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _inotify_call(name: str, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc[name](*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result
