"""Writes the audit: an entry is on disk no later than what it tells of, mostly without a commit of its own.

An entry waits in memory until the next group of writes, whose first rows it becomes (`Database.precede`). Whoever has
it wait before he changes anything has it on disk with his own first write, or neither. It gets a commit of its own only
where nothing else was written meanwhile.

A full disk takes back a whole group. The entries then wait on, other groups are written without them, and they are
tried again every few seconds, and by everybody who must have his own on disk.
"""

import asyncio
from typing import Final

import structlog

from openwa_manager.domain.access.audit import ChainEnds, NewEntry, Tally
from openwa_manager.domain.errors import DrainingError, OpenwaManagerError, StorageFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.services.access.waiting_entries import PendingEntry, WaitingEntries
from openwa_manager.store.access import audit
from openwa_manager.store.database import Connection, Database, SqliteError

_log = structlog.get_logger()

#: How often what many did is told in one row.
TALLY_PERIOD_S: Final = 60.0
#: How long an entry waits for a write to go with.
WRITTEN_WITHIN_S: Final = 1.0
#: How often a disk that was full is tried again.
RETRY_S: Final = 5.0
#: How many things that one caller tries in vain are told apart in a minute: whoever has no key may try for ever.
_REFUSALS_MAX = 10
#: How many things that one caller does often are told apart in a minute; 1,000 sessions is a large host.
_COUNTED_MAX = 2_000
#: What hinders the audit; anything else is a bug.
_HINDRANCES = (OpenwaManagerError, SqliteError)


class Audit:
    """Takes entries, and sees to it that they come onto the disk in the order in which they were made.

    With `is_required` whatever changes something is refused while that is impossible (`require`).
    """

    def __init__(self, database: Database, clock: Clock, *, is_required: bool = True) -> None:
        self._database = database
        self._clock = clock
        self._is_required = is_required
        self._waiting = WaitingEntries()
        self._counted = Tally(_COUNTED_MAX, tells_first=False)
        self._refused = Tally(_REFUSALS_MAX, tells_first=True)
        self._has_news = asyncio.Event()
        database.precede(self._waiting)

    async def run(self) -> None:
        """Write what waits, and once a minute what was counted, until cancelled."""
        tally_at_s = self._clock.now().boot_s + TALLY_PERIOD_S
        while True:
            if await self._clock.wait(self._has_news, tally_at_s):
                self._has_news.clear()
                await self._clock.sleep_until(self._clock.now().boot_s + WRITTEN_WITHIN_S)
            if self._clock.now().boot_s >= tally_at_s:
                self._note_counted()
                tally_at_s = self._clock.now().boot_s + TALLY_PERIOD_S
            if not await self._write_waiting():
                self._has_news.set()
                await self._clock.sleep_until(self._clock.now().boot_s + RETRY_S)

    async def finish(self) -> None:
        """Write all there is, at the daemon's end; what the disk does not take is lost."""
        self._note_counted()
        await self._write_waiting()

    def note(self, entry: NewEntry) -> None:
        """Take an entry; it is on disk no later than what is written after it, and soon if nothing is."""
        self.begin(entry)

    async def record(self, entry: NewEntry) -> None:
        """Return once an entry is on disk.

        Raises:
            StorageFullError: the disk is full, and without its entry nothing may be done (`audit_required`).
        """
        await self.require(self.begin(entry))

    def count(self, entry: NewEntry) -> None:
        """Take one of many entries: one row a minute tells how many there were of it."""
        self._counted.add(entry, self._clock.now().at)

    def refuse(self, entry: NewEntry) -> None:
        """Take the entry of what was not let happen: the first is told soon, and once a minute how many followed."""
        if (first := self._refused.add(entry, self._clock.now().at)) is not None:
            self.note(first)

    def begin(self, entry: NewEntry) -> PendingEntry:
        """Take an entry that may still change, as `note` does; `change` and `withdraw` do as long as it waits."""
        pending = PendingEntry(self._clock.now().at, entry)
        self._waiting.add(pending)
        self._has_news.set()
        return pending

    def change(self, pending: PendingEntry, entry: NewEntry) -> bool:
        """Say it otherwise; False when it is on disk already, or about to be."""
        return self._waiting.exchange(pending, entry)

    def withdraw(self, pending: PendingEntry) -> bool:
        """Take it back; False when it is on disk already, or about to be."""
        return self._waiting.withdraw(pending)

    @property
    def is_hindered(self) -> bool:
        """Tell whether entries could not be written when that was last tried."""
        return self._waiting.error is not None

    async def require(self, pending: PendingEntry, *, is_unhindered: bool = False, is_done: bool = False) -> None:
        """Return once an entry is on disk; if it is unhindered, or none is required, also once that has failed.

        Raises:
            StorageFullError: it is not; it was withdrawn, or, if what it tells of is done, waits until there is room.
            DrainingError: it is not, for the daemon ends.
        """
        try:
            while not pending.is_settled:
                await self._try()
            if pending.is_lost:
                raise StorageFullError("too many entries wait for room on the disk")
        except _HINDRANCES as error:
            is_on_disk = pending.is_settled and not pending.is_lost  # what others had to tell may have come to nothing
            if is_on_disk or is_unhindered or not self._is_required:
                return
            if isinstance(error, DrainingError):
                raise
            if not is_done:
                self.withdraw(pending)
            raise StorageFullError(f"the audit cannot be written: {error}") from error

    async def require_writable(self) -> None:
        """Return if what is counted can be told of later, as far as anybody knows, or need not be.

        Raises:
            StorageFullError: entries wait that cannot be written.
        """
        if self._is_required and self.is_hindered and not await self._write_waiting():
            raise StorageFullError("the audit cannot be written")

    async def chain_ends(self) -> ChainEnds:
        """Return between which rows the chain on disk lies."""
        return await self._database.read(audit.chain_ends)

    def _note_counted(self) -> None:
        for tally in (self._counted, self._refused):
            for at, entry in tally.drain():
                self._waiting.add(PendingEntry(at, entry))

    async def _write_waiting(self) -> bool:
        """Write all that waits; return False when that is impossible now."""
        was_hindered = self.is_hindered
        try:
            while len(self._waiting):
                await self._try()
        except _HINDRANCES as error:
            if not was_hindered:
                _log.warning("audit_not_written", error=str(error), waiting_count=len(self._waiting))
            return False
        return True

    async def _try(self) -> None:
        """Write some of what waits, all of it together with whatever else is written now."""
        self._waiting.begin_try()
        try:
            await self._database.write(_nothing)
        finally:
            self._waiting.end_try()
        if self._waiting.error is not None:
            raise self._waiting.error


def _nothing(_: Connection) -> None:
    """Write nothing beside what waits."""
