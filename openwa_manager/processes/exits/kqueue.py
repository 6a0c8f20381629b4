"""Learns of exits on macOS: one kqueue that the event loop reads, EVFILT_PROC for each process."""

import asyncio
import select
import sys
from collections.abc import Callable

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes.exits.status import exit_of_status, reap_child
from openwa_manager.processes.reading.identity import identity_of

assert sys.platform == "darwin"  # noqa: S101 what mypy goes by on other systems

_NOTE_EXITSTATUS = 0x04000000  # sys/event.h; the select module does not name it


class Kqueue:
    """ExitWatcher announced by the kernel, with the wait status also of processes that are not our children."""

    period_s: float | None = None

    def __init__(self) -> None:
        self._kqueue = select.kqueue()
        self._watched: dict[int, tuple[Identity, Callable[[], None]]] = {}
        self._statuses: dict[Identity, int] = {}
        asyncio.get_running_loop().add_reader(self._kqueue.fileno(), self._read)

    def watch(self, identity: Identity, ended: Callable[[], None]) -> bool:
        """Call `ended` from the loop once the process has ended; False when it is gone already."""
        try:
            self._kqueue.control([_interest(identity.pid, select.KQ_EV_ADD | select.KQ_EV_ONESHOT)], 0)
        except ProcessLookupError:  # gone, or a zombie that is no longer announced: our own child's has a status yet
            asyncio.get_running_loop().call_soon(ended)
            return identity_of(identity.pid) == identity
        # Only compared once the kernel watches: the pid may have passed to another process before.
        if identity_of(identity.pid) != identity:
            self._kqueue.control([_interest(identity.pid, select.KQ_EV_DELETE)], 0)
            return False
        self._watched[identity.pid] = (identity, ended)
        return True

    def reap(self, identity: Identity) -> Exit:
        """Return how the dead process ended, reap it if it is ours, and watch it no more."""
        if self._watched.get(identity.pid, (None,))[0] == identity:
            del self._watched[identity.pid]
        reaped = reap_child(identity.pid)
        status = self._statuses.pop(identity, None)
        return reaped if status is None else exit_of_status(status)

    def close(self) -> None:
        """Watch nothing any more."""
        asyncio.get_running_loop().remove_reader(self._kqueue.fileno())
        self._kqueue.close()

    def _read(self) -> None:
        for event in self._kqueue.control([], 64, 0):
            if event.ident in self._watched:
                identity, ended = self._watched.pop(event.ident)
                self._statuses[identity] = event.data
                ended()


def _interest(pid: int, flags: int) -> select.kevent:
    return select.kevent(pid, select.KQ_FILTER_PROC, flags, select.KQ_NOTE_EXIT | _NOTE_EXITSTATUS)
