"""The daemon's home directory: what lies where, who may read it, and the lock that keeps a second daemon out."""

import fcntl
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import structlog

from openwa_manager.domain.errors import AlreadyRunningError, ConfigError, UnavailableError
from openwa_manager.domain.values import dataclass
from openwa_manager.host.own_files import require_private

_log = structlog.get_logger()

#: What macOS takes in any case (setrlimit(2), Compatibility; sys/syslimits.h).
_OPEN_MAX = 10_240


#: What stands in the way of a directory until a person removes it.
_LASTING = (PermissionError, FileExistsError, NotADirectoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What lies where in the home (docs/design.md, Files); `sessions` may lie outside `root`."""

    root: Path
    sessions: Path

    @property
    def database(self) -> Path:
        """Return the path of the registry."""
        return self.root / "manager.db"

    @property
    def admin_key(self) -> Path:
        """Return the path of the admin's API key."""
        return self.root / "admin.key"

    @property
    def copies(self) -> Path:
        """Return the directory of the registry's copies."""
        return self.root / "copies"

    @property
    def builds(self) -> Path:
        """Return the directory of the builds of OpenWA that the daemon installed."""
        return self.root / "builds"

    @property
    def media(self) -> Path:
        """Return the directory of the files that wait to be sent."""
        return self.root / "media"

    @property
    def run(self) -> Path:
        """Return the directory of the socket and the daemon's lock."""
        return self.root / "run"

    @property
    def generation(self) -> Path:
        """Return the path of what says how far the messages have come; no copy of the registry holds it."""
        return self.run / "generation"

    @property
    def revoked_keys(self) -> Path:
        """Return the path of what keys were revoked; no copy of the registry holds it."""
        return self.run / "revoked"

    @property
    def sockets(self) -> Path:
        """Return the directory of the directories in which engines listen; its name is short, as a socket's path is."""
        return self.run / "e"

    @property
    def locks(self) -> Path:
        """Return the directory of the sessions' locks: beside the sessions, whose daemon may have another home."""
        return self.sessions / ".locks"

    @property
    def former_locks(self) -> Path:
        """Return where versions before 0.3 had the locks; engines that they launched still hold one there."""
        return self.root / "locks"

    def prepare(self) -> None:
        """Make the directories; those open to others are closed with a warning, secrets open to others are refused.

        Raises:
            ConfigError: a directory is not ours, or a secret is readable by others; says what to do.
            UnavailableError: the disk cannot be used now.
        """
        try:
            for directory in (self.root, self.run, self.copies, self.media, self.builds, self.sessions, self.locks):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                _close_to_others(directory)
            _require_writable(self.root)
            _require_writable(self.sessions)
        except OSError as error:
            kind = ConfigError if isinstance(error, _LASTING) else UnavailableError
            raise kind(
                f"home {self.root} cannot be used ({error}): create it and make it ours, or choose another --home"
            ) from error
        for secret in (self.admin_key, self.database):
            require_private(secret)


def _close_to_others(directory: Path) -> None:
    mode = directory.stat().st_mode & 0o777
    if mode & 0o077:
        directory.chmod(0o700)
        _log.warning("directory_closed_to_others", path=str(directory), mode_before=oct(mode))


def _require_writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write in {directory}")


class DaemonLock:
    """Held by the one daemon of a home for as long as its process lives; a context manager.

    `what` is what it owns, in words.
    """

    def __init__(self, path: Path, what: str = "this home") -> None:
        self._path = path
        self._what = what

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            AlreadyRunningError: another daemon holds it; the message names its pid.
            ConfigError: what lies in its place is no file.
        """
        with ExitStack() as unless_taken:
            self._file = self._open()
            unless_taken.callback(os.close, self._file)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                pid = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
                raise AlreadyRunningError(f"already_running: a daemon with pid {pid} owns {self._what}") from error
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
            unless_taken.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _open(self) -> int:
        """Open the file without following a link: what it points to would be emptied."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o600)
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be locked ({error.strerror}): remove it") from error


def raise_file_limit() -> None:
    """Let this process open as many files as the system allows it to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        set_soft_limit(file_limits(hard, files_per_process(hard)), soft, hard)


def files_per_process(hard: int) -> int:
    """Return how many files the system lets one process open, whose hard limit is `hard`.

    XNU refuses a higher soft limit with EINVAL (bsd/kern/kern_resource.c, dosetrlimit: above `maxfilesperproc`, for
    root above `maxfiles`, which is larger), though the hard limit that launchd leaves us is `unlimited`.
    """
    if sys.platform != "darwin":
        return hard
    else:  # noqa: RET505 mypy understands only this form
        from openwa_manager.host.system_library import system_values  # pragma: no cover (macOS)

        return system_values().number("kern.maxfilesperproc")  # pragma: no cover (macOS)


def file_limits(hard: int, system: int) -> tuple[int, ...]:
    """Return the soft limits to try, the highest first."""
    bounds = [limit for limit in (hard, system) if limit != resource.RLIM_INFINITY]
    if not bounds:
        return (resource.RLIM_INFINITY, _OPEN_MAX)
    return (min(bounds), min(*bounds, _OPEN_MAX))


def set_soft_limit(wanted: Sequence[int], soft: int, hard: int) -> None:
    """Set the first of these soft limits that the system takes; none that is below `soft`. Without one all stays."""
    for limit in wanted:
        if limit > soft or limit == resource.RLIM_INFINITY:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
                return
