"""The entries of the audit that are not on disk: added by the event loop, written by the database's thread."""

from collections import deque
from threading import Lock
from typing import Final

from openwa_manager.domain.access.audit import DAEMON, FAILED, NewEntry
from openwa_manager.store.access import audit
from openwa_manager.store.database import Connection

#: So many entries wait in memory while the disk is full, 10 MB; of the others only their number is told.
WAITING_MAX: Final = 10_000
#: So many are written in one group: 5 ms of its time.
AT_ONCE_MAX: Final = 200
#: That entries found no room in memory either.
LOST: Final = "audit.lost"


class PendingEntry:
    """An entry on its way to disk, and the wall time at which it was.

    `has_left`: it is being written, and cannot be changed. `is_settled`: it is on disk, was withdrawn, or was lost.
    `is_lost`: it found no room in memory, and never comes onto the disk.
    """

    __slots__ = ("at", "entry", "has_left", "is_lost", "is_settled")

    def __init__(self, at: float, entry: NewEntry) -> None:
        self.at = at
        self.entry = entry
        self.has_left = False
        self.is_settled = False
        self.is_lost = False


class WaitingEntries:
    """Goes before each group of writes (`Preamble`); once a disk was full, only before those that try for it.

    `error` says why the last try came to nothing; None: it did not.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pending: deque[PendingEntry] = deque()
        self._taken: list[PendingEntry] = []
        self._lost_count, self._lost_at = 0, 0.0
        self._try_count = 0
        self.error: Exception | None = None

    def add(self, pending: PendingEntry) -> None:
        """Add an entry; if too many wait already, only that there was one."""
        with self._lock:
            if len(self._pending) < WAITING_MAX:
                self._pending.append(pending)
                return
            self._lost_at = self._lost_at if self._lost_count else pending.at
            self._lost_count += 1
            pending.has_left = pending.is_settled = pending.is_lost = True

    def exchange(self, pending: PendingEntry, entry: NewEntry) -> bool:
        """Put another entry in the place of one; False when that has left."""
        with self._lock:
            if not pending.has_left:
                pending.entry = entry
            return not pending.has_left

    def withdraw(self, pending: PendingEntry) -> bool:
        """Take an entry back; False when it has left."""
        with self._lock:
            if pending.has_left:
                return False
            if not pending.is_settled:
                self._pending.remove(pending)
                pending.is_settled = True
            return True

    def __len__(self) -> int:
        return len(self._pending)

    def begin_try(self) -> None:
        """Go before each group again until the end of this try."""
        with self._lock:
            self._try_count += 1

    def end_try(self) -> None:
        """Note the end of a try."""
        with self._lock:
            self._try_count -= 1

    def has_rows(self) -> bool:
        """Tell whether some are to be written now."""
        return bool(self._pending) and (self.error is None or self._try_count > 0)

    def write(self, connection: Connection) -> None:
        """Write the first of those that wait."""
        with self._lock:
            while self._pending and len(self._taken) < AT_ONCE_MAX:
                pending = self._pending.popleft()
                pending.has_left = True
                self._taken.append(pending)
        audit.append(connection, [(each.at, each.entry) for each in self._taken])

    def settle(self, error: Exception | None) -> None:
        """Forget those that are on disk; let those that are not wait on."""
        with self._lock:
            taken, self._taken, self.error = self._taken, [], error
            for each in taken:
                each.has_left = each.is_settled = error is None
            if error is not None:
                self._pending.extendleft(reversed(taken))
            elif self._lost_count:
                lost = NewEntry(actor=DAEMON, action=LOST, result=FAILED, detail={"count": self._lost_count})
                self._pending.append(PendingEntry(self._lost_at, lost))
                self._lost_count = 0
