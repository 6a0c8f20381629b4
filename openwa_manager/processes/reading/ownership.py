"""Proves that a live process is an engine which a daemon of this user launched: by its lock, launch id and mark.

A launch id alone proves nothing: whoever may read an environment can repeat it. A lock is held through a descriptor
that only a daemon hands out. The mark says which launch a process comes from, so that no engine can pass for another
session's (docs/design.md, Launching, adopting and ending an engine).
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from openwa_manager.domain.session.session import LaunchId, SessionId
from openwa_manager.processes import marks
from openwa_manager.processes.locks import HIGHEST_FD, SessionLocks, is_lock
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc, system_libproc
from openwa_manager.processes.reading.table import EngineTag, launch_by_place

#: How the kernel tells of a lock that is held through a descriptor (proc_pid_fdinfo(5)).
_FLOCK = re.compile(rb"^lock:\s+\d+: FLOCK\s+ADVISORY\s+WRITE ", re.MULTILINE)


def is_proven(pid: int, session_id: SessionId, launch_id: LaunchId, locks: SessionLocks) -> bool:
    """Tell whether the process is of this launch of the session's engine, and holds the lock that was taken for it.

    Blocks for less than a millisecond on Linux.
    """
    return _may_be_of(pid, launch_id) and holds_lock(pid, session_id, launch_id, locks)


def holds_lock(pid: int, session_id: SessionId, launch_id: LaunchId, locks: SessionLocks) -> bool:
    """Tell whether the process has the session's lock open that was taken for this launch.

    Its file may be gone, or lie elsewhere: where the directory was before it was moved, or in another home, as before
    0.3. Then the system must say that the process itself holds it.
    """
    path, *former = locks.places_of(session_id)
    last = locks.launch_of(session_id)
    for number, place in _low_descriptors(pid):
        if place in former or (place == path and last == launch_id):
            return True
        is_removed, is_elsewhere = place == path and last is None, place != path and is_lock(Path(place), session_id)
        if (is_removed or is_elsewhere) and _is_locked_through(pid, number):
            return True
    return False


def launch_of(pid: int, tag: EngineTag) -> LaunchId | None:
    """Return the launch a process is of, as its tag tells or a lock that it has open under another number."""
    return tag.launch_id or (launch_by_lock(pid) if tag.is_ours else None)


def launch_by_lock(pid: int) -> LaunchId | None:
    """Return the launch that a session's lock names which the process has open; None when it has none.

    Only engines and what they start have one open. Another daemon may have handed it on under another number than ours.
    """
    return next((launch_id for _, place in _low_descriptors(pid) if (launch_id := launch_by_place(pid, place))), None)


def _may_be_of(pid: int, launch_id: LaunchId) -> bool:
    """Tell whether nothing speaks against it: it is our own user's, and has the mark of no other launch.

    Versions before 0.3 put no marks.
    """
    try:
        is_ours = psutil.Process(pid).uids().effective == os.geteuid()
    except psutil.Error:
        return False
    return is_ours and marks.read(pid) in (None, marks.mark_of(launch_id))


def _low_descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """Yield what the process has open under the numbers at which locks are inherited, also if it was removed."""
    if sys.platform == "linux":
        for number in range(HIGHEST_FD + 1):
            if place := procfs.read_link(f"/proc/{pid}/fd/{number}"):
                yield number, place
    elif sys.platform == "darwin":  # pragma: no cover (macOS)
        yield from low_descriptors_by_libproc(system_libproc(), pid)
    else:  # pragma: no cover (other systems)
        with suppress(psutil.Error):
            yield from ((file.fd, file.path) for file in psutil.Process(pid).open_files() if file.fd <= HIGHEST_FD)


def _is_locked_through(pid: int, number: int) -> bool:
    """Tell whether a lock is held through this descriptor; nobody tells on other systems than Linux and macOS."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return is_locked_through_by_libproc(system_libproc(), pid, number)
    else:  # noqa: RET505 mypy understands only this form
        return _FLOCK.search(procfs.read(f"/proc/{pid}/fdinfo/{number}") or b"") is not None


def low_descriptors_by_libproc(libproc: Libproc, pid: int) -> Iterator[tuple[int, str]]:
    """Yield the same as macOS tells it."""
    for number in range(HIGHEST_FD + 1):
        file = libproc.open_file(pid, number)
        if file is not None:
            yield number, file.path


def is_locked_through_by_libproc(libproc: Libproc, pid: int, number: int) -> bool:
    """Tell whether a lock was ever taken through this descriptor: macOS does not tell whether it is held yet."""
    file = libproc.open_file(pid, number)
    return file is not None and file.was_locked
