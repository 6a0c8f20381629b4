"""The host-wide proof that a session has one owner: a file that the engine keeps open and locked (flock).

It belongs to the session's directory, so every daemon that uses the directory finds it, whatever its home; and it lies
beside the directory, not in it, where the engine could remove it.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path

from openwa_manager.domain.errors import LaunchFailedError, OwnedElsewhereError
from openwa_manager.domain.session.launch_facts import LockHeld
from openwa_manager.domain.session.session import LaunchId, SessionId, is_session_id
from openwa_manager.host.user_paths import spelled_on_disk

#: Node closes inherited descriptors up to this number in the programs it starts; shells hand every one on (measured).
HIGHEST_FD = 15
#: Beside the sessions: the folder of their locks.
_FOLDER = ".locks"
#: A launch id is a UUID; whatever is longer was not written by us.
_LAUNCH_ID_MAX_BYTES = 64
#: Whoever may write beside the sessions may have put a link or a pipe there: neither is followed or waited for.
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: The host is short of files or memory: nothing is known of the place then.
_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def is_lock(path: Path, session_id: SessionId) -> bool:
    """Tell whether this may be the session's lock, of any version, wherever its sessions or its home are."""
    return path.parts[-2:] in ((_FOLDER, session_id), ("locks", f"{session_id}.lock"))


def launch_in(place: str) -> LaunchId | None:
    """Return the launch that took this lock last, by whichever daemon; None where the file is no session's lock.

    The place is what a process has open, so an engine may have named it, and put there what cannot be opened.

    Raises OSError when the host, not the place, keeps us from opening it.
    """
    folder, _, name = place.rpartition("/")
    if not (folder.endswith(f"/{_FOLDER}") and is_session_id(name)):
        return None
    try:
        return _written_in(place)
    except OSError as error:
        if error.errno in _SHORT_OF:
            raise
        return None


def _written_in(place: str | Path) -> LaunchId | None:
    try:
        lock = os.open(place, os.O_RDONLY | _FLAGS)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    try:
        is_file = stat.S_ISREG(os.fstat(lock).st_mode)
        written = os.read(lock, _LAUNCH_ID_MAX_BYTES) if is_file else b""
    finally:
        os.close(lock)
    first_line, _, _ = written.partition(b"\n")  # behind it may be what is left of something longer
    return LaunchId(first_line.decode(errors="replace").strip()) or None


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
        if fd > HIGHEST_FD:
            raise LaunchFailedError(f"no file descriptor up to {HIGHEST_FD} is free: reserve it before opening more")
        unless_reserved.pop_all()
        return fd


@cache
def _spare_null() -> int:
    """Return a descriptor of /dev/null that stays open: at hand when no more files can be opened."""
    return _open_null(HIGHEST_FD + 1)


class SessionLocks:
    """The lock files of all sessions: `<directory>/<session id>`, with the id of the last launch written in it.

    They are never removed: whoever came next would make and lock another file of that name. Versions before 0.3 had
    them in `former`, as `<session id>.lock`: nobody takes those any more, but an engine that was launched then holds
    one for as long as it lives. None: there never was such a directory.
    """

    def __init__(self, directory: Path, former: Path | None = None) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._former = former
        self._fd = reserve_lock_fd()
        _spare_null()  # now, since no lock may stay ours by accident when no more files can be opened

    @property
    def directory(self) -> Path:
        """Return where the lock files lie."""
        return self._directory

    @contextmanager
    def hold(self, session_id: SessionId, launch_id: LaunchId) -> Iterator[int]:
        """Hold the session's lock while the body runs; a program that inherits the descriptor holds it on for life.

        Raises:
            OwnedElsewhereError: another process holds it, or its former one.
        """
        path, *former = self.paths_of(session_id)
        lock = os.open(path, os.O_CREAT | os.O_RDWR | _FLAGS, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _require_free(former)
            written = f"{launch_id}\n".encode()
            os.pwrite(lock, written, 0)
            os.ftruncate(lock, len(written))  # not to 0 before: ext4 writes such a file out when it is closed
            os.dup2(lock, self._fd, inheritable=False)
        except BlockingIOError:
            # Its errno is that of a host that is short of something, and this is not.
            raise OwnedElsewhereError(LockHeld(path=str(path))) from None
        finally:
            os.close(lock)
        try:
            yield self._fd
        finally:
            os.dup2(_spare_null(), self._fd, inheritable=False)  # closes the lock, and the number stays taken

    def is_held(self, session_id: SessionId) -> bool:
        """Tell whether some process holds the session's lock."""
        return any(map(_is_held, self.paths_of(session_id)))

    def launch_of(self, session_id: SessionId) -> LaunchId | None:
        """Return the launch that took the lock last, by whichever daemon; None when none has."""
        return _written_in(self.paths_of(session_id)[0])

    def paths_of(self, session_id: SessionId) -> tuple[Path, ...]:
        """Return the session's lock file, then the one that an engine of an earlier version holds."""
        path = self._directory / session_id
        return (path,) if self._former is None else (path, self._former / f"{session_id}.lock")

    def places_of(self, session_id: SessionId) -> tuple[str, ...]:
        """Return the same as the system tells of a process that has them open: without links, and spelled so."""
        pairs = zip(self._folders, self.paths_of(session_id), strict=True)
        return tuple(f"{folder}/{path.name}" for folder, path in pairs)

    @cached_property
    def _folders(self) -> tuple[Path, ...]:
        """Return where the lock files lie as the system tells it; asking takes long, and many end at once."""
        folders = (self._directory,) if self._former is None else (self._directory, self._former)
        return tuple(map(spelled_on_disk, folders))


def _require_free(paths: Iterable[Path]) -> None:
    if any(map(_is_held, paths)):
        raise BlockingIOError


def _is_held(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDWR | _FLAGS)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who only look do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _open_null(at_least: int) -> int:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(null, fcntl.F_DUPFD_CLOEXEC, at_least)
    finally:
        os.close(null)
