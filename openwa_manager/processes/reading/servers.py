"""Tells of a process whether it takes connections by TCP: one that does may ask for somebody far away."""

import asyncio
import os
import re
import sys
from collections import OrderedDict
from contextlib import suppress

import psutil

from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import identity_of

#: A listening socket in /proc/net/tcp (state 0A, include/net/tcp_states.h), up to its inode.
_LISTENING = re.compile(rb"^ *\d+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:0000 0A (?:\S+ +){5}(\d+)", re.MULTILINE)


#: Whoever asks has one socket at least; who has no other cannot listen.
_TO_US_AND_ONE_MORE = 2
#: A proxy has as many workers as there are processors; more processes than this need not be known.
_KNOWN_MAX = 256


class TcpServers:
    """Knows which processes take connections by TCP, and remembers those that do for as long as they live."""

    def __init__(self) -> None:
        self._known: OrderedDict[Identity, None] = OrderedDict()

    async def includes(self, pid: int) -> bool:
        """Tell whether a process takes connections by TCP; this one is asked for nobody else, so it never does."""
        identity = None if pid == os.getpid() else identity_of(pid)
        if identity is None:
            return False
        if identity in self._known:
            return True
        is_server = _may_listen(pid) and await asyncio.to_thread(serves_tcp, pid)
        if is_server:
            self._known[identity] = None
            if len(self._known) > _KNOWN_MAX:
                self._known.popitem(last=False)
        return is_server


def _may_listen(pid: int) -> bool:
    """Tell whether it is worth while to look at all sockets of the host: not for a command, which has one to us."""
    return sys.platform != "linux" or len(_held_by(pid)) >= _TO_US_AND_ONE_MORE


def serves_tcp(pid: int) -> bool:
    """Tell whether a process listens on a TCP port, or was forked off by one that does, as a proxy's workers are.

    False also for one that the system does not let us look at: a process of another user, or one that has ended. With
    many connections on the host this takes some ten milliseconds.
    """
    if sys.platform != "linux":
        return serves_tcp_by_psutil(pid)  # pragma: no cover (macOS)
    held = _held_by(pid)
    return any(
        inode in held
        for name in ("tcp", "tcp6")
        for inode in _LISTENING.findall(procfs.read(f"/proc/{pid}/net/{name}") or b"")
    )


def _held_by(pid: int) -> set[bytes]:
    return procfs.sockets(pid) | procfs.sockets(_forked_off_by(pid))


def _forked_off_by(pid: int) -> int:
    """Return the parent of a process that runs what the parent runs, by the same words; else the process itself."""
    stat = procfs.read_stat(pid)
    own = procfs.read(f"/proc/{pid}/cmdline")
    return stat.ppid if stat and own and procfs.read(f"/proc/{stat.ppid}/cmdline") == own else pid


def serves_tcp_by_psutil(pid: int) -> bool:
    """Tell what `serves_tcp` does as psutil sees it, for systems without /proc."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        parent = process.parent()
        is_forked = parent is not None and process.cmdline() == parent.cmdline()
        return any(_listens(each) for each in ([process, parent] if parent and is_forked else [process]))
    return False


def _listens(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return any(each.status == psutil.CONN_LISTEN for each in process.net_connections(kind="tcp"))
    return False
