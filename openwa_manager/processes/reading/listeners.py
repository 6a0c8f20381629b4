"""Tells to which process a listener belongs: whoever took an engine's address first would be told its secrets."""

import asyncio
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from openwa_manager.domain.session.session import Identity
from openwa_manager.processes.engine_processes import ancestors
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import is_alive
from openwa_manager.processes.reading.table import CoalescedRead, ProcessTable, read_processes

#: The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h).
_LISTEN = b"0A"


class EngineListeners:
    """Implements `domain.ports.ListenerProof` for this host; remembers of each port which socket was proven last."""

    def __init__(self) -> None:
        self._listening = CoalescedRead(_read_listening)
        self._proven: dict[int, tuple[Identity, frozenset[bytes]]] = {}

    def has(self, pid: int, engine: Identity) -> bool:
        """Tell whether this process is the engine or descends from it."""
        is_in_tree = pid == engine.pid or any(parent == engine.pid for _, parent, _ in ancestors(pid))
        return is_in_tree and is_alive(engine)

    async def owns(self, port: int, engine: Identity) -> bool | None:
        """Tell whether what listens on this port of 127.0.0.1 is the engine's; None when nobody listens.

        On Linux the system is asked once for all who ask at the same time: that takes it 10 to 40 ms.
        """
        if sys.platform != "linux":
            return await asyncio.to_thread(owns_by_psutil, port, engine)  # pragma: no cover (macOS)
        inodes = (await self._listening.get()).get(port)
        if inodes is None:
            return None
        if not is_alive(engine):
            return False
        if self._proven.get(port) == (engine, inodes):  # the number of a socket is not given again for a long time
            return True
        if not await asyncio.to_thread(_is_opened_by_tree, inodes, engine):
            return False
        self._proven[port] = (engine, inodes)
        return True


def _is_opened_by_tree(inodes: frozenset[bytes], engine: Identity) -> bool:
    left = inodes - procfs.sockets(engine.pid)
    if not left:
        return True
    return not left.difference(
        *(procfs.sockets(each.pid) for each in ProcessTable(read_processes()).descendants([engine]))
    )


def _read_listening() -> Mapping[int, frozenset[bytes]]:
    """Return the inodes of the sockets that take connections to 127.0.0.1, by their port.

    The kernel prefers the closest address, so that a listener on a wider one does not count beside it.
    """
    found: dict[int, dict[bytes, set[bytes]]] = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError):  # a kernel without IPv6
            for line in Path(f"/proc/net/{name}").read_bytes().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split(maxsplit=10)[:10]
                address, _, port = local.partition(b":")
                if state == _LISTEN:
                    found.setdefault(int(port, 16), {}).setdefault(address, set()).add(inode)
    closest = ((port, next((by[each] for each in _ADDRESSES if each in by), None)) for port, by in found.items())
    return {port: frozenset(inodes) for port, inodes in closest if inodes}


def _in_proc(address: bytes) -> bytes:
    """Return an address as /proc/net/tcp writes it: words of 32 bits in the order of this machine."""
    words = (address[start : start + 4] for start in range(0, len(address), 4))
    return b"".join(b"%08X" % int.from_bytes(word, sys.byteorder) for word in words)


#: The addresses that take connections to 127.0.0.1, the closest first.
_ADDRESSES = (
    _in_proc(socket.inet_pton(socket.AF_INET, "127.0.0.1")),
    _in_proc(socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1")),
    _in_proc(socket.inet_pton(socket.AF_INET, "0.0.0.0")),  # noqa: S104 looked for, not listened on
    _in_proc(socket.inet_pton(socket.AF_INET6, "::")),
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
