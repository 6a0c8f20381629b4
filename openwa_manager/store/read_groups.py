"""Reads together what is asked for at the same time: one hop to the database's thread, one state for all."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

#: How many reads share one hop at most: the first of them waits for the last.
READS_MAX = 16


class _Read(Generic[T]):
    """A read that waits its turn, and what came of it."""

    def __init__(self, function: Callable[[sqlite3.Connection], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Read; a failure is this reader's alone."""
        try:
            self._results.append(self._function(connection))
        except Exception as error:  # noqa: BLE001 (its reader gets it)
            self._error = error

    def fail(self, error: Exception) -> None:
        """Take note that nothing was read."""
        self._error = self._error or error

    def outcome(self) -> T:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]


class _ReadGroup:
    """Reads that came before the thread got to the first of them; that one's reader takes all of them there."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reads: list[_Read[object]] = []
        self._has_begun = False
        self._has_run = False
        self._is_left = False
        self._lock = Lock()
        self.is_done = asyncio.Event()

    def add(self, read: _Read[T]) -> bool:
        """Add a read; False when the group has begun already or is full."""
        with self._lock:
            if self._has_begun or len(self._reads) >= READS_MAX:
                return False
            self._reads.append(read)  # type: ignore[arg-type]  # a list of reads of every kind
            return True

    def run(self, connection: sqlite3.Connection) -> None:
        """Read all in one transaction; on the database's thread."""
        with self._lock:
            self._has_begun = True
        try:
            connection.execute("BEGIN")
            for read in self._reads:
                read.run(connection)
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._fail(error)
        with self._lock:
            self._has_run = True
            is_left = self._is_left
        if is_left:
            self._loop.call_soon_threadsafe(self.is_done.set)

    def release(self, error: BaseException | None) -> None:
        """Let the others go on; if their first reader was cancelled before the thread was done, once it is."""
        with self._lock:
            self._is_left = not self._has_run and isinstance(error, asyncio.CancelledError)
            self._has_begun = self._has_begun or not self._is_left
        if isinstance(error, Exception):
            self._fail(error)
        if not self._is_left:
            self.is_done.set()

    def _fail(self, error: Exception) -> None:
        for read in self._reads:
            read.fail(error)


class ReadGroups:
    """Runs reads by `run`, which takes a function to the thread of a connection."""

    def __init__(self, run: Callable[[Callable[[sqlite3.Connection], None]], Awaitable[None]]) -> None:
        self._run = run
        self._group: _ReadGroup | None = None

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `function` read, or raise what it raised; it runs even if the caller is cancelled."""
        read = _Read(function)
        if self._group is not None and self._group.add(read):
            await self._group.is_done.wait()
            return read.outcome()
        group = self._group = _ReadGroup()
        group.add(read)
        try:
            await self._run(group.run)
        except BaseException as error:
            group.release(error)
            raise
        group.release(None)
        return read.outcome()
