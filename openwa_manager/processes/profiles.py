"""Removes the locks that dead browsers left in Chromium's profiles: they would keep the next browser out."""

import os
import socket
from pathlib import Path

import structlog

from openwa_manager.processes.reading.identity import live_identity_of
from openwa_manager.processes.reading.table import tag_of

_log = structlog.get_logger()

#: Where whatsapp-web.js keeps its profiles (docs/openwa.md, Environment), seen from the session directory.
_PROFILES = "data/sessions"
_LOCK = "SingletonLock"
#: What Chromium leaves in a profile beside the lock, which is a symlink to `<host>-<pid>`
#: (chrome/browser/process_singleton_posix.cc).
_SINGLETONS = (_LOCK, "SingletonSocket", "SingletonCookie")


def clear_stale_locks(directory: Path) -> int:
    """Remove the locks of dead browsers in the profiles below a session directory; return how many those were.

    A lock of another host stays, and so does one whose owner runs with that profile. Call it before a launch only.

    Raises:
        OSError: a lock cannot be removed.
    """
    stale = [profile for profile in _profiles(directory / _PROFILES) if _is_stale(profile)]
    for profile in stale:
        for name in _SINGLETONS:
            (profile / name).unlink(missing_ok=True)
        _log.info("browser_lock_cleared", profile=str(profile))
    return len(stale)


def _profiles(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_stale(profile: Path) -> bool:
    try:
        host, _, pid = os.readlink(profile / _LOCK).rpartition("-")  # noqa: PTH115 the target is no path
    except OSError:  # no lock, or not one of Chromium's
        return False
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    return live_identity_of(int(pid)) is None or not _runs_with(int(pid), profile)


def _runs_with(pid: int, profile: Path) -> bool:
    """Tell whether this process was started for this profile; the number may have passed to a stranger."""
    tag = tag_of(pid)
    return tag is not None and tag.user_data_dir == Path(os.path.realpath(profile))
