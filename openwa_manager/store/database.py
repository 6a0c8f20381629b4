"""The one SQLite file: how it is opened, and how plain functions read and write it."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import aiosqlite

from openwa_manager.domain.errors import (
    ConfigError,
    DrainingError,
    StorageFullError,
    StoreDamagedError,
    UnavailableError,
)
from openwa_manager.metrics.durations import COMMIT_S, Durations
from openwa_manager.store.backup.copies import upgrade, write_copy
from openwa_manager.store.checkpoints import NEVER, bring_over_at, copy_log, empty_log
from openwa_manager.store.delivery.enrichment import HOOKS, Hook, HookedConnection
from openwa_manager.store.preamble import NoPreamble, Preamble
from openwa_manager.store.read_groups import ReadGroups
from openwa_manager.store.reserve import Reserve
from openwa_manager.store.sqlite_errors import translated
from openwa_manager.store.write_groups import JointWrite, Write, WriteGroup

A = TypeVar("A")
T = TypeVar("T")

#: What the functions that read and write are given; only this folder knows that it is SQLite's.
Connection = sqlite3.Connection
#: What a read or a write may raise besides our own errors: SQLite's, where we have no word for it.
SqliteError = sqlite3.Error

_CHUNK = 64  # rows a cursor of aiosqlite fetches at once; we use none

#: How every connection of the daemon is set up.
PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = 1",  # macOS only: a plain fsync there leaves the data in the drive's cache
    "PRAGMA checkpoint_fullfsync = 1",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted, keys and messages, is overwritten on the disk
    "PRAGMA journal_size_limit = 67108864",
)


class _ThreadConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs whole functions on its thread.

    aiosqlite offers single statements only, each a hop to the thread and back: 1,500 rows/s where one hop for a
    group of functions does 46,000. Its subclasses may use `_execute`, the call all its methods are made of.
    """

    async def run(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `function` makes of the raw connection; it runs to its end even if the caller is cancelled."""
        outcome: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return outcome


class _ReadingConnection(_ThreadConnection):
    """One for reads, in `groups`."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self.groups = ReadGroups(self.run)


class Database:
    """One writer connection and one reader connection to the daemon's file.

    `copies` is the folder for what is copied before a migration; None means the one beside the file. `hooks` say what
    is made of the events that are stored (`outbox.append`). Beside the file lies a `reserve` of room on the disk.
    """

    def __init__(self, path: Path, copies: Path | None = None, hooks: Mapping[str, Hook] = HOOKS) -> None:
        self._path = path
        self._copies = copies or path.with_name("copies")
        self.reserve = Reserve(path.with_name("reserve"))
        self._group: WriteGroup | None = None
        self._preamble: Preamble = NoPreamble()
        self._is_open = False
        self._connections = AsyncExitStack()
        self.commit_times = Durations(COMMIT_S)
        self._writer = _ThreadConnection(partial(_connect, path, hooks), _CHUNK)
        self._reader = _ReadingConnection(partial(_connect, path, hooks), _CHUNK)

    async def open(self) -> None:
        """Open the file, creating it if need be, check it and bring its tables up to date.

        Raises:
            StoreDamagedError: the file is not a sound database.
            SchemaTooNewError: a newer version of this program wrote it; says which copy to put back.
            CopyFailedError: its tables must change, and it cannot be copied before.
            ConfigError: others may read the file.
            UnavailableError: the system lets nobody use it now.
            StorageFullError: there is no room to create it.
        """
        try:
            await asyncio.to_thread(_create, self._path)
            async with AsyncExitStack() as opened:
                await opened.enter_async_context(self._writer)
                await self._writer.run(partial(_prepare_writer, self._path, self._copies))
                await opened.enter_async_context(self._reader)
                await self._reader.run(_prepare_reader)
                self._connections = opened.pop_all()
                self._is_open = True
        except (sqlite3.Error, OSError) as error:
            known = translated(error)
            if isinstance(known, sqlite3.Error):  # a disk that fails, a file that is locked or hindered
                known = UnavailableError(f"{self._path} cannot be used: {error}")
            raise known from error

    async def close(self) -> None:
        """Finish the writes that were accepted, then close both connections."""
        self._is_open = False
        await self._connections.aclose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def precede(self, preamble: Preamble) -> None:
        """Write this before all else in every group from now on: what is asked for after it has rows follows them."""
        self._preamble = preamble

    async def write(self, function: Callable[[sqlite3.Connection], T], *, is_urgent: bool = False) -> T:
        """Return what `function` returned, once its changes are on disk; whatever it raised is raised here.

        It shares a commit with the writes that queued up meanwhile, yet fails alone. It must neither commit nor
        roll back, and it runs even if the caller is cancelled. Those who share a commit go on in the order in which
        they came. An urgent one is tried again, alone, with the room of the reserve.

        Raises:
            StorageFullError: the disk is full and nothing was written; later writes may succeed.
            StoreDamagedError: the file is damaged.
            DrainingError: the database is closed.
        """
        try:
            return await self._write(Write(function))
        except StorageFullError:
            if not is_urgent:
                raise
        group, write = WriteGroup(self.commit_times, self._preamble), Write(function)
        group.add(write)
        await self._writer.run(partial(_run_in_reserve, self.reserve, group))
        return write.outcome()

    async def write_together(
        self, function: Callable[[sqlite3.Connection, Sequence[A]], Sequence[T]], argument: A
    ) -> T:
        """Return what `function` returned for this argument, as `write` does.

        It is called once for all arguments that share a commit; if it fails then, once for each of them.

        Raises:
            StorageFullError | StoreDamagedError | DrainingError: as `write` does.
        """
        return await self._write(JointWrite(function, argument))

    async def _write(self, write: Write[T]) -> T:
        if not self._is_open:
            raise DrainingError("the database is closed")
        if self._group is not None and self._group.add(write):
            await self._group.is_done.wait()
        else:  # the first of a new group takes it to the thread, where it waits behind the one being written
            group = self._group = WriteGroup(self.commit_times, self._preamble)
            group.add(write)
            try:
                await self._lead(group)
            finally:
                group.release()
        return write.outcome()

    async def _lead(self, group: WriteGroup) -> None:
        """Take a group to the thread once nobody has joined it in a turn of the loop: many are ready one after another.

        Its first writer waits for the end of it if it is cancelled before, for the others rely on it.
        """
        size = 0
        try:
            while group.size > size:
                size = group.size
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            await self._writer.run(group.run)
            raise
        await self._writer.run(group.run)

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `function` read from one consistent state, which holds every finished write.

        It shares a hop to the thread with the reads that queued up meanwhile.

        Raises:
            StoreDamagedError: the file is damaged.
        """
        try:
            return await self._reader.groups.read(function)
        except sqlite3.Error as error:
            raise translated(error) from error

    async def check(self) -> None:
        """Return once something was read from the file itself.

        Raises:
            StoreDamagedError: the file is damaged.
        """
        await self.read(_read_schema)

    async def empty_log(self) -> bool:
        """Bring the write-ahead log into the database and empty it; return False when a reader is in the way.

        What was overwritten in the database lies in the log until then, texts of messages among it. Most of it is
        brought over on a connection of its own first: meanwhile others write.

        Raises:
            StorageFullError: there is no room for that.
        """
        try:
            await asyncio.to_thread(copy_log, self._path)
            return await self._writer.run(empty_log)
        except sqlite3.Error as error:
            raise translated(error) from error

    async def snapshot(self, path: Path) -> None:
        """Copy the database to `path`, whole and consistent, mode 0600; a file in its place is replaced.

        The log only grows meanwhile. It is brought over beside the writer then: the next commit would do it all.

        Raises:
            StorageFullError: no room for a copy; what was there before stays.
        """
        try:
            await self._writer.run(partial(bring_over_at, pages=NEVER))
            try:
                await asyncio.to_thread(_snapshot, self._path, path)
                await asyncio.to_thread(copy_log, self._path)
            finally:
                await self._writer.run(bring_over_at)
        except (sqlite3.Error, OSError) as error:
            raise translated(error) from error


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")


def _connect(path: Path, hooks: Mapping[str, Hook]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256, factory=HookedConnection
    )
    connection.hooks = hooks
    return connection


def _prepare_writer(path: Path, copies: Path, connection: sqlite3.Connection) -> None:
    _configure(connection)
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise StoreDamagedError(verdict)
    upgrade(connection, path, copies)


def _prepare_reader(connection: sqlite3.Connection) -> None:
    _configure(connection)
    connection.execute("PRAGMA query_only = ON")


def _configure(connection: sqlite3.Connection) -> None:
    for pragma in PRAGMAS:
        connection.execute(pragma)


def _run_in_reserve(reserve: Reserve, group: WriteGroup, connection: sqlite3.Connection) -> None:
    """Have the room of the reserve, and use it at once; where there is none any more, this is one more try."""
    reserve.make_way()
    group.run(connection)


def _read_schema(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # `SELECT 1` would be answered without the file


def _snapshot(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        write_copy(connection, target)
