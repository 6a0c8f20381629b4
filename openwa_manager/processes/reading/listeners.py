"""Tells to which process a listener belongs: whoever took an engine's address first would be told its secrets."""

import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress

import psutil

from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.engine_processes import ancestors
from openwa_manager.processes.reading import procfs, tcp
from openwa_manager.processes.reading.identity import is_alive
from openwa_manager.processes.reading.table import CoalescedRead, ProcessTable, read_processes


class EngineListeners:
    """Implements `domain.ports.ListenerProof` for this host; remembers of each port which socket was proven last."""

    def __init__(self) -> None:
        self._listening = CoalescedRead(tcp.all_inodes)
        self._proven: dict[int, tuple[Identity, frozenset[bytes]]] = {}

    def has(self, pid: int, engine: Identity) -> bool:
        """Tell whether this process is the engine or descends from it."""
        is_in_tree = pid == engine.pid or any(parent == engine.pid for _, parent, _ in ancestors(pid))
        return is_in_tree and is_alive(engine)

    async def owns(self, port: int, engine: Identity) -> bool | None:
        """Tell whether what listens on this port of 127.0.0.1 is the engine's; None when nobody listens.

        A Linux that tells of one port in particular is asked for that; another is asked once for all who ask at the
        same time.
        """
        if sys.platform != "linux":
            return await asyncio.to_thread(owns_by_psutil, port, engine)  # pragma: no cover (macOS)
        inodes = await self._inodes_at(port)
        if not inodes:
            return None
        if not is_alive(engine):
            return False
        if self._proven.get(port) == (engine, inodes):  # the number of a socket is not given again for a long time
            return True
        if not await asyncio.to_thread(_is_opened_by_tree, inodes, engine):
            return False
        self._proven[port] = (engine, inodes)
        return True

    async def _inodes_at(self, port: int) -> frozenset[bytes]:
        try:
            return tcp.inodes_at(port)
        except OSError:  # it tells nothing of one port, or not us: a service manager may keep us from asking
            return (await self._listening.get()).get(port, frozenset())


def _is_opened_by_tree(inodes: frozenset[bytes], engine: Identity) -> bool:
    left = inodes - procfs.sockets(engine.pid)
    if not left:
        return True
    return not left.difference(
        *(procfs.sockets(each.pid) for each in ProcessTable(read_processes()).descendants([engine]))
    )


def owns_by_psutil(port: int, engine: Identity) -> bool | None:
    """Tell what `owns` does as psutil sees it, for systems without /proc.

    Another user's sockets are hidden there, so that what listens is nobody's as long as it is not the engine's.
    """
    if not is_alive(engine):
        return None
    with suppress(psutil.Error):
        process = psutil.Process(engine.pid)
        if any(_listens(each, port) for each in _tree(process)):
            return True
    return None


def _tree(process: psutil.Process) -> Iterable[psutil.Process]:
    return (process, *process.children(recursive=True))


def _listens(process: psutil.Process, port: int) -> bool:
    with suppress(psutil.Error):
        return any(
            each.status == psutil.CONN_LISTEN and each.laddr.port == port
            for each in process.net_connections(kind="tcp")
        )
    return False
