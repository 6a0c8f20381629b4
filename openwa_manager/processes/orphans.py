"""What engines leave behind: processes whose parents are gone come to us, so that none of them gets lost (Linux).

A process that forks twice and ends has a grandchild that nobody's tree holds any more. The kernel makes it a child of
the nearest ancestor that asked for such (PR_SET_CHILD_SUBREAPER of prctl(2)), instead of process 1. Our own helpers
live in our session of processes; an engine begins one of its own, so that a child of ours in another session is an
engine, or what an engine left.
"""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from openwa_manager.processes.reading import procfs

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37  # linux/prctl.h


@cache
def _system_library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def adopt_orphans() -> None:
    """From now on become the parent of what the processes below us leave behind; nothing on other systems."""
    if sys.platform == "linux":
        _system_library().prctl(_PR_SET_CHILD_SUBREAPER, *map(ctypes.c_ulong, (1, 0, 0, 0)))


def is_adopting() -> bool:
    """Tell whether orphans come to us: we asked for those below us, or are process 1, to which everybody's come."""
    if sys.platform != "linux":
        return False
    if os.getpid() == 1:
        return True
    is_set = ctypes.c_int(0)
    _system_library().prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(is_set))
    return bool(is_set.value)


@contextmanager
def announcing(child_ended: Callable[[], None]) -> Iterator[None]:
    """Have the running loop, which is the main thread's, call this after a child has ended, while the body runs."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, child_ended)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)


def reap(look_after: Callable[[int], bool]) -> int:
    """Reap our dead children; return how many of them were orphans.

    `look_after` takes a dead child that it knows and tells whether that is gone now; False: it is nobody it knows. A
    helper of our own is left to whoever started it.
    """
    count = 0
    while (dead := _next_dead()) is not None:
        if look_after(dead):
            continue
        if not _is_orphan(dead):  # the system shows us this one first as long as it is there
            return count + sum(_reap_one(each) for each in procfs.pids() if _is_orphan(each) and not look_after(each))
        count += _reap_one(dead)
    return count


def _next_dead() -> int | None:
    if sys.platform == "linux":
        with suppress(ChildProcessError):
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return None if dead is None else dead.si_pid
    return None


def _is_orphan(pid: int) -> bool:
    """Tell whether this is a dead child of ours that began in no session of ours."""
    stat = procfs.read_stat(pid)
    return stat is not None and stat.is_dead and stat.ppid == os.getpid() and stat.session != os.getsid(0)


def _reap_one(pid: int) -> int:
    try:
        return int(os.waitpid(pid, os.WNOHANG)[0] == pid)
    except ChildProcessError:
        return 0
