"""Finds out at the start whether the database is an older one that was put back, and sees to it that it sends nothing.

The database and a file beside it both say how far the messages have come (`Position`). The file follows each change, so
a database that is behind it is not the one that was there last. Equal counts do not make two databases the same: one
may have been copied, put back, and gone another way. So every start and every copy closes a generation, the database
first, then the file: a copy made before is behind ever after.

A kill at any point leaves the file behind the database or equal to it, never ahead: what was committed and not yet
noted has not been acted upon. What was found at a start is held before the generation is closed, so a kill in between
finds it again.
"""

import asyncio
from functools import partial

import structlog

from openwa_manager.domain.errors import UnavailableError
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.store.backup.generation_file import GenerationFile
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery import outbox
from openwa_manager.store.messaging import batches
from openwa_manager.store.messaging.position import Position, advance, close_generation, read_position
from openwa_manager.store.messaging.upkeep import restoring

_log = structlog.get_logger()

_NOWHERE = Position(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFinding:
    """What the start found: `why` the database is an older one (None: it is not), and when it was written last.

    `newest_at` None: it is empty.
    """

    why: str | None
    newest_at: float | None


class Generations:
    """Knows how far the messages of this home have come; `file` says so as well."""

    def __init__(self, database: Database, clock: Clock, file: GenerationFile) -> None:
        self._database = database
        self._clock = clock
        self._file = file
        self._noted: Position | None = None

    async def find(self) -> GenerationFinding:
        """Return whether the database is behind the file; nothing is changed."""
        noted = await asyncio.to_thread(self._file.read)
        position, _ = await self._database.read(read_position)
        has_messages = await self._database.read(restoring.has_messages)
        newest_at = await self._database.read(restoring.newest_at)
        return GenerationFinding(why=_why(position, noted, has_messages=has_messages), newest_at=newest_at)

    async def hold(self) -> None:
        """Hold all that waits, and let what was asked for be `unknown`; may be done twice.

        Raises:
            StorageFullError: some of it may be held.
        """
        held_count = await self._database.write(partial(_hold, at=self._clock.now().at))
        unknown_count = 0
        while count := await self._database.write(partial(_give_up, at=self._clock.now().at)):
            unknown_count += count
        _log.warning("messages_held", held_queues=held_count, unknown_messages=unknown_count, hold="restored")

    async def begin(self) -> None:
        """Close the generation and keep the file up from here on; what was being taken in is removed.

        Raises:
            UnavailableError: the file cannot be written.
            StorageFullError: the database cannot.
        """
        while await self._database.write(batches.remove_staging):
            pass
        noted = await asyncio.to_thread(self._file.read)
        position = await self._database.write(partial(close_generation, above=noted or _NOWHERE))
        try:
            await asyncio.to_thread(self._file.create, position)
        except OSError as error:
            raise UnavailableError(f"{error.filename or 'run/generation'} cannot be written: {error}") from error
        self._noted = position

    def note(self, position: Position) -> None:
        """Note how far the messages have come, before anybody acts on it; takes some microseconds."""
        if self._noted is not None and position > self._noted:
            self._noted = position
            self._file.note(position)

    async def close(self) -> None:
        """Close the generation, because a copy of the database was made.

        Raises:
            StorageFullError: the copy counts as of this generation; changes since are known by their number.
            OSError: the file may not outlast a power cut.
        """
        self.note(await self._database.write(partial(close_generation, above=_NOWHERE)))
        await asyncio.to_thread(self._file.sync)


def _why(position: Position, noted: Position | None, *, has_messages: bool) -> str | None:
    if noted is None:
        return "run/generation is missing, or is a copy itself" if has_messages else None
    if noted > position:
        return f"run/generation is ahead of it: generation {noted.generation}, change {noted.change_count}"
    return None


def _hold(connection: Connection, at: float) -> int:
    events = restoring.hold_waiting(connection, at)
    outbox.append(connection, events)
    return len(events)


def _give_up(connection: Connection, at: float) -> int:
    count, events = restoring.give_up_asked(connection, at)
    outbox.append(connection, events)
    if count:
        advance(connection, at)
    return count
