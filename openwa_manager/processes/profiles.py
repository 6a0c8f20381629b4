"""Removes the locks that dead browsers left in Chromium's profiles: they would keep the next browser out."""

import os
from contextlib import suppress

import structlog

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.opening import names_in, opened_directory
from openwa_manager.processes.reading.table import read_tagged_processes

_log = structlog.get_logger()

#: Where whatsapp-web.js keeps its profiles (docs/openwa.md, Environment), seen from the session directory.
_PROFILES = ("data", "sessions")
_LOCK = "SingletonLock"
#: What Chromium leaves in a profile beside the lock, which is a symlink to `<host>-<pid>`
#: (chrome/browser/process_singleton_posix.cc).
_SINGLETONS = (_LOCK, "SingletonSocket", "SingletonCookie")


def clear_stale_locks(directory: ForeignPath) -> int:
    """Remove the locks of dead browsers in the profiles below a session directory; return how many those were.

    A lock stays while a process of our user runs with its profile. Who it names does not count: a Mac takes the name
    that its network gives it, and a container gets another each time, so that no browser would touch a lock that is
    its own. Call it before a launch only, and while nobody holds the session's lock; it blocks.

    Raises:
        OSError: a lock cannot be removed.
    """
    profiles = directory.child(*_PROFILES)
    locked = [profile for name in names_in(profiles) if _has_lock(profile := profiles.child(name))]
    if not locked:
        return 0
    processes = read_tagged_processes()
    stale = [profile for profile in locked if not processes.in_directory(profile.path)]
    for profile in stale:
        with opened_directory(profile) as folder:
            for name in _SINGLETONS:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
        _log.info("browser_lock_cleared", profile=str(profile))
    return len(stale)


def _has_lock(profile: ForeignPath) -> bool:
    """Tell whether there is a lock, and one of Chromium's."""
    try:
        with opened_directory(profile) as folder:
            _, dash, pid = os.readlink(_LOCK, dir_fd=folder).rpartition("-")
    except OSError:
        return False
    return bool(dash) and pid.isdecimal()
