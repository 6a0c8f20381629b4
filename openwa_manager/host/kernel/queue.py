"""The event queue of macOS's kernel (kqueue(2)): tells the event loop what happens to processes and to directories.

The numbers are those of XNU's `bsd/sys/event.h`. The `select` module names most of them, but on BSD and macOS only;
here they stand for all systems, so that whatever obeys the kernel's rules may take the place of `select.kqueue`.
"""

import select
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

EVFILT_VNODE, EVFILT_PROC = -4, -5
EV_ADD, EV_DELETE, EV_ONESHOT, EV_CLEAR, EV_ERROR, EV_EOF = 0x0001, 0x0002, 0x0010, 0x0020, 0x4000, 0x8000
#: Of EVFILT_VNODE: the directory was removed, its entries changed, it was renamed.
NOTE_DELETE, NOTE_WRITE, NOTE_RENAME = 0x0000_0001, 0x0000_0002, 0x0000_0020
#: Of EVFILT_PROC: the process exited; its wait status stands in `data`.
NOTE_EXIT, NOTE_EXITSTATUS = 0x8000_0000, 0x0400_0000

#: How many events one call of the kernel returns.
_BATCH_COUNT = 64


class KernelEvent(Protocol):
    """What happened to whom, as `select.kevent` says it: `ident` is a pid or a descriptor, `fflags` are the notes.

    EV_EOF in `flags` says that no more will come: it is watched no longer.
    """

    ident: int
    flags: int
    fflags: int
    data: int


E = TypeVar("E", bound=KernelEvent)


class Kqueue(Protocol[E]):
    """The part of `select.kqueue` that is used."""

    def fileno(self) -> int:
        """Return its descriptor, readable while events wait."""
        ...

    def control(self, changelist: Iterable[E], maxevents: int, timeout: float, /) -> Sequence[E]:
        """Make these changes, then return at most so many events.

        Raises OSError when a change is refused and `maxevents` leaves no room to say so.
        """
        ...

    def close(self) -> None:
        """Give the descriptor back; nothing is watched any more."""
        ...


class KernelQueue:
    """One queue, and what is watched on it; `kevent` makes what `queue` takes."""

    def __init__(self, queue: Kqueue[E], kevent: Callable[[int, int, int, int], E]) -> None:
        def control(changes: Iterable[tuple[int, int, int, int]], max_count: int) -> Sequence[KernelEvent]:
            return queue.control([kevent(*change) for change in changes], max_count, 0)

        self._control = control
        self.fileno = queue.fileno
        self.close = queue.close

    def add(self, ident: int, event_filter: int, flags: int, notes: int) -> None:
        """Watch this process or descriptor, with EV_ONESHOT or EV_CLEAR in `flags`, for these notes.

        Raises OSError when the kernel refuses.
        """
        self._control([(ident, event_filter, EV_ADD | flags, notes)], 0)

    def remove(self, ident: int, event_filter: int) -> None:
        """Watch it no more.

        Raises OSError when it is not watched.
        """
        self._control([(ident, event_filter, EV_DELETE, 0)], 0)

    def read(self) -> Iterator[KernelEvent]:
        """Return all events that wait, at once."""
        while events := self._control([], _BATCH_COUNT):
            yield from events
            if len(events) < _BATCH_COUNT:
                return


def open_kernel_queue() -> KernelQueue:
    """Return a new queue of this system.

    Raises OSError when no more files can be opened, or the system has no such queue.
    """
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return KernelQueue(select.kqueue(), select.kevent)
    raise OSError("this system has no kqueue")
