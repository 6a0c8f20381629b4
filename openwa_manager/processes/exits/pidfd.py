"""Process file descriptors of Linux: they mean one process, also when its pid is used again."""

import asyncio
import fcntl
import os
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes.exits.status import exit_of_status, reap_child
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import identity_of, live_identity_of

assert sys.platform == "linux"  # noqa: S101 what mypy goes by on other systems

#: The first version of `struct pidfd_info` (linux/pidfd.h): mask, cgroupid, eleven ids, exit_code.
_INFO = struct.Struct("=QQ11Ii")
_INFO_EXIT = 1 << 3  # PIDFD_INFO_EXIT, Linux >= 6.15
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11  # PIDFD_GET_INFO = _IOWR(PIDFS_IOCTL_MAGIC, 11, pidfd_info)


class Pidfds:
    """Lets the event loop see exits: a pidfd becomes readable when its process ends."""

    period_s: float | None = None

    def __init__(self) -> None:
        self._fds: dict[Identity, int] = {}

    def watch(self, identity: Identity, ended: Callable[[], None]) -> bool:
        """Call `ended` from the loop once the process has ended; False when it is gone already."""
        with ExitStack() as unless_watched:
            try:
                fd = open_pidfd(identity)
                if fd is None:
                    return False
                unless_watched.callback(os.close, fd)
                asyncio.get_running_loop().add_reader(fd, ended)
            except OSError:  # no descriptor left, or the loop may watch no more: the next check will find out
                return True
            unless_watched.pop_all()
            self._fds[identity] = fd
        return True

    def reap(self, identity: Identity) -> Exit | None:
        """Return how the dead process ended, reap it if it is ours, and watch it no more; None: it lives yet."""
        fd = self._fds.get(identity)
        if fd is None:
            return reap_child(identity)
        how = exit_of(fd, identity)
        if how is not None:
            del self._fds[identity]
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        return how

    def close(self) -> None:
        """Watch nothing any more."""
        for fd in self._fds.values():
            asyncio.get_running_loop().remove_reader(fd)
            os.close(fd)
        self._fds.clear()


def open_pidfd(identity: Identity) -> int | None:
    """Return a descriptor of this very process, alive or zombie; None when it is gone. The caller closes it.

    Raises OSError when no more files can be opened; then none is left open.
    """
    return _open(identity, identity_of)


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal this very process; False when it is dead.

    Raises PermissionError when it belongs to somebody else.
    """
    fd = _open(identity, live_identity_of)  # a zombie takes signals, and nothing happens
    if fd is None:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)
    return True


def _open(identity: Identity, read: Callable[[int], Identity | None]) -> int | None:
    with ExitStack() as unless_returned:
        try:
            fd = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            return None
        unless_returned.callback(os.close, fd)
        # Compared only now: a descriptor that is open stays with its process, whoever gets the number.
        if read(identity.pid) != identity:
            return None
        unless_returned.pop_all()
        return fd


def exit_of(fd: int, identity: Identity) -> Exit | None:
    """Return how the dead process behind the descriptor ended; reaps it when it is our child.

    None: its first thread has ended, by which /proc calls it a zombie, and others have not; the descriptor becomes
    readable with the last one (kernel/exit.c, wait_task_zombie asks delay_group_leader).
    """
    try:
        result = os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG)
    except ChildProcessError:
        return _exit_of_stranger(fd, identity)
    if result is None:
        return None
    return Exit(exit_code=result.si_status) if result.si_code == os.CLD_EXITED else Exit(signal=result.si_status)


def _exit_of_stranger(fd: int, identity: Identity) -> Exit:
    # Until its parent reaps it /proc tells the status; afterwards, since Linux 6.15, the pidfd does.
    stat = procfs.read_stat(identity.pid)
    if stat is not None and stat.is_dead and stat.started == identity.started:
        return exit_of_status(stat.status)
    info = bytearray(_INFO.pack(_INFO_EXIT, *(0,) * 13))
    try:
        fcntl.ioctl(fd, _GET_INFO, info)
    except OSError:  # an older kernel
        return Exit()
    mask, *_, status = _INFO.unpack(info)
    return exit_of_status(status) if mask & _INFO_EXIT else Exit()
