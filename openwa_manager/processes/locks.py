"""The host-wide proof that a session has one owner: a file that the engine keeps open and locked (flock)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from openwa_manager.domain.errors import LaunchFailedError, OwnedElsewhereError
from openwa_manager.domain.session.session import SessionId

#: Node closes inherited descriptors up to this number in the programs it starts; shells hand every one on (measured).
_HIGHEST_FD = 15


@cache
def reserve_lock_fd() -> int:
    """Return the one descriptor number under which engines inherit their lock; it stays taken from the first call on.

    A number belongs to the whole process, so it is reserved once for it; early, before other files take the low ones.

    Raises:
        LaunchFailedError: no number is low enough.
    """
    with ExitStack() as unless_reserved:
        fd = _open_null(3)
        unless_reserved.callback(os.close, fd)
        if fd > _HIGHEST_FD:
            raise LaunchFailedError(f"no file descriptor up to {_HIGHEST_FD} is free: reserve it before opening more")
        unless_reserved.pop_all()
        return fd


@cache
def _spare_null() -> int:
    """Return a descriptor of /dev/null that stays open: at hand when no more files can be opened."""
    return _open_null(_HIGHEST_FD + 1)


class SessionLocks:
    """The lock files of all sessions in one directory.

    They are never removed: whoever came next would make and lock another file of that name.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._fd = reserve_lock_fd()
        _spare_null()  # now, since no lock may stay ours by accident when no more files can be opened

    @contextmanager
    def hold(self, session_id: SessionId) -> Iterator[int]:
        """Hold the session's lock while the body runs; a program that inherits the descriptor holds it on for life.

        Raises:
            OwnedElsewhereError: another process holds it.
        """
        path = self._path(session_id)
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.dup2(lock, self._fd, inheritable=False)
        except BlockingIOError:
            raise OwnedElsewhereError(
                f"another live process holds {path} (`fuser -v {path}` names it); end it, then start the session again"
            ) from None  # its errno is that of a host that is short of something, and this is not
        finally:
            os.close(lock)
        try:
            yield self._fd
        finally:
            os.dup2(_spare_null(), self._fd, inheritable=False)  # closes the lock, and the number stays taken

    def is_held(self, session_id: SessionId) -> bool:
        """Tell whether some process holds the session's lock."""
        try:
            lock = os.open(self._path(session_id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who only look do not see each other
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _path(self, session_id: SessionId) -> Path:
        return self._directory / f"{session_id}.lock"


def _open_null(at_least: int) -> int:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, at_least)
    finally:
        os.close(null)
