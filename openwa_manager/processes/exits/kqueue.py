"""Learns of exits on macOS: one kqueue that the event loop reads, EVFILT_PROC for each process.

What XNU does at the end of a process, in this order (`bsd/kern/kern_exit.c`, proc_prepareexit and proc_exit):

1. It is hidden from `proc_find` (P_REF_DEAD). From here on to register for its exit fails with ESRCH, though it is no
   zombie yet: its files are still to be closed, its memory to be freed.
2. NOTE_EXIT is posted, with the wait status (`filt_procevent` in `bsd/kern/kern_event.c`). `waitpid` still says 0.
3. It becomes a zombie (SZOMB): `waitpid` returns it, SIGCHLD is sent.

So neither ESRCH nor NOTE_EXIT proves a death. Either only says that it comes; from then on the process is looked at
again and again until it is reaped or, if it is not our child, dead. Who registers for NOTE_EXITSTATUS of a process that
is neither his child nor his to signal gets EACCES (`filt_procattach`; before macOS 11 whoever is not the parent).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.host.kernel.queue import EV_ONESHOT, EVFILT_PROC, NOTE_EXIT, NOTE_EXITSTATUS, KernelQueue
from openwa_manager.processes.exits.status import exit_of_status, reap_child
from openwa_manager.processes.reading.identity import identity_of, is_alive

#: How long after the first look at an ending process the second follows, by how much longer each further pause is, and
#: the longest: an exit that closes files on a dead disk may hang for hours. The loop's own timer will do: what is
#: waited for is the kernel, which does not go on while the host sleeps either.
_LOOK_S, _LONGER_BY, _LOOK_MAX_S = 0.01, 1.1, 0.5


class KqueueExits:
    """Exits announced by the kernel, with the wait status also of processes that are not our children."""

    period_s: float | None = None

    def __init__(self, queue: KernelQueue) -> None:
        self._queue = queue
        self._watched: dict[Identity, Callable[[], None]] = {}
        #: Whose exit the kernel will announce: it knows processes by their numbers.
        self._registered: dict[int, Identity] = {}
        #: Who is about to end, or has; the timer runs while there is anybody.
        self._ending: set[Identity] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._pause_s = _LOOK_S
        self._statuses: dict[Identity, int] = {}
        asyncio.get_running_loop().add_reader(queue.fileno(), self._read)

    def watch(self, identity: Identity, ended: Callable[[], None]) -> bool:
        """Call `ended` from the loop once the process has ended; False when it is gone already."""
        self._read()  # what waits of an earlier process with this number would be taken for this one's
        if not _may_be_here(identity):
            return False
        self._forget_registration(identity.pid)
        try:
            self._queue.add(identity.pid, EVFILT_PROC, EV_ONESHOT, NOTE_EXIT | NOTE_EXITSTATUS)
        except ProcessLookupError:  # its exit has begun
            self._look_at(identity)
        except OSError:  # not ours to watch, or no memory: the next check of all will find out
            pass
        else:
            self._registered[identity.pid] = identity
            # Compared once more now that the kernel watches: the number may have passed to another process before.
            if not _may_be_here(identity):
                self._forget_registration(identity.pid)
                return False
        self._watched[identity] = ended
        return True

    def reap(self, identity: Identity) -> Exit | None:
        """Return how the dead process ended, reap it if it is ours, and watch it no more.

        None: it is only about to end. It is looked at again soon, and `ended` called again.
        """
        how = reap_child(identity)
        if how is None or (how == Exit() and _may_live(identity)):
            self._look_at(identity)
            return None
        if self._registered.get(identity.pid) == identity:
            self._read()  # how it ended may wait there
            self._forget_registration(identity.pid)
        self._watched.pop(identity, None)
        self._ending.discard(identity)
        status = self._statuses.pop(identity, None)
        return exit_of_status(status) if how == Exit() and status is not None else how

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asyncio.get_running_loop().remove_reader(self._queue.fileno())
        self._queue.close()

    def _forget_registration(self, pid: int) -> None:
        if self._registered.pop(pid, None) is not None:
            with suppress(OSError):  # it was announced, which ends it
                self._queue.remove(pid, EVFILT_PROC)

    def _read(self) -> None:
        for event in self._queue.read():
            identity = self._registered.pop(event.ident, None)
            if identity is not None:
                if event.fflags & NOTE_EXITSTATUS:
                    self._statuses[identity] = event.data
                self._look_at(identity)

    def _look_at(self, identity: Identity) -> None:
        """Look at this process from the next turn of the loop on, until it has ended."""
        if identity not in self._ending:
            self._ending.add(identity)
            self._pause_s = _LOOK_S
            self._look_in(0)

    def _look_in(self, pause_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._look)

    def _look(self) -> None:
        self._look_in(self._pause_s)
        self._pause_s = min(self._pause_s * _LONGER_BY, _LOOK_MAX_S)
        for identity in [*self._ending]:
            self._watched[identity]()
        if not self._ending and self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _may_be_here(identity: Identity) -> bool:
    """Tell whether the process is there, be it as a zombie; also True while the system has no memory to tell."""
    try:
        return identity_of(identity.pid) == identity
    except OSError:
        return True


def _may_live(identity: Identity) -> bool:
    """Tell whether the process lives; also True while the system has no memory to tell."""
    try:
        return is_alive(identity)
    except OSError:
        return True
