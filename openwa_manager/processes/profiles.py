"""Removes the locks that dead browsers left in Chromium's profiles: they would keep the next browser out."""

import os
import socket
from contextlib import suppress

import structlog

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.opening import names_in, opened_directory
from openwa_manager.processes.reading.identity import live_identity_of
from openwa_manager.processes.reading.table import tag_of

_log = structlog.get_logger()

#: Where whatsapp-web.js keeps its profiles (docs/openwa.md, Environment), seen from the session directory.
_PROFILES = ("data", "sessions")
_LOCK = "SingletonLock"
#: What Chromium leaves in a profile beside the lock, which is a symlink to `<host>-<pid>`
#: (chrome/browser/process_singleton_posix.cc).
_SINGLETONS = (_LOCK, "SingletonSocket", "SingletonCookie")


def clear_stale_locks(directory: ForeignPath) -> int:
    """Remove the locks of dead browsers in the profiles below a session directory; return how many those were.

    A lock of another host stays, and so does one whose owner runs with that profile. Call it before a launch only; it
    blocks.

    Raises:
        OSError: a lock cannot be removed.
    """
    profiles = directory.child(*_PROFILES)
    stale = [profile for name in names_in(profiles) if _is_stale(profile := profiles.child(name))]
    for profile in stale:
        with opened_directory(profile) as folder:
            for name in _SINGLETONS:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
        _log.info("browser_lock_cleared", profile=str(profile))
    return len(stale)


def _is_stale(profile: ForeignPath) -> bool:
    try:
        with opened_directory(profile) as folder:
            host, _, pid = os.readlink(_LOCK, dir_fd=folder).rpartition("-")
    except OSError:  # no lock, or not one of Chromium's
        return False
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    return live_identity_of(int(pid)) is None or not _runs_with(int(pid), profile)


def _runs_with(pid: int, profile: ForeignPath) -> bool:
    """Tell whether this process was started for this profile; the number may have passed to a stranger."""
    tag = tag_of(pid)
    return tag is not None and tag.user_data_dir == profile.root.resolve().joinpath(*profile.parts)
