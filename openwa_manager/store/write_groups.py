"""Writes together what is asked for at the same time: one hop to the database's thread, one commit for all."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from openwa_manager.metrics.durations import Durations
from openwa_manager.store.preamble import Preamble
from openwa_manager.store.sqlite_errors import translated

A = TypeVar("A")
T = TypeVar("T")

#: How many writes share one commit at most.
GROUP_MAX = 50


class Write(Generic[T]):
    """A write that waits its turn and, once its group is committed or rolled back, what became of it."""

    def __init__(self, function: Callable[[sqlite3.Connection], T]) -> None:
        self._function = function
        self._results: list[T] = []
        self._error: Exception | None = None

    def run_alone(self, connection: sqlite3.Connection) -> None:
        """Run as the only write of its transaction; a failure, which is raised, is to take back all of it."""
        self._results.append(self._function(connection))

    def run(self, connection: sqlite3.Connection) -> None:
        """Run inside a savepoint, so that a failure takes back this write only.

        Raises:
            sqlite3.Error: the failure has rolled back the whole transaction, as a full disk does.
        """
        connection.execute("SAVEPOINT write")
        try:
            self._results.append(self._function(connection))
        except Exception as error:
            self._error = error
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO write")
        connection.execute("RELEASE write")

    def succeed(self, result: T) -> None:
        """Take the result of what was done for it."""
        self._results.append(result)

    def fail(self, error: Exception) -> None:
        """Take back the result: the group it was part of is not on disk."""
        self._results.clear()
        self._error = self._error or error

    @property
    def error(self) -> Exception | None:
        """Return in our words why nothing is on disk; None: it is."""
        return None if self._error is None else translated(self._error)

    def outcome(self) -> T:
        """Return what the function returned, or raise what it raised."""
        if (error := self.error) is not None:
            raise error
        return self._results[0]


class JointWrite(Write[T], Generic[A, T]):
    """A write that is done with others of its group by one call of `function`, which returns what each comes to."""

    def __init__(self, function: Callable[[sqlite3.Connection, Sequence[A]], Sequence[T]], argument: A) -> None:
        super().__init__(lambda connection: function(connection, [argument])[0])
        self.function = function
        self.argument = argument

    def run_with(self, connection: sqlite3.Connection, others: "Sequence[JointWrite[A, T]]") -> None:
        """Run together with others of the same function; if that fails each is run, and may fail, by itself.

        Raises:
            sqlite3.Error: as `run` does.
        """
        writes = [self, *others]
        connection.execute("SAVEPOINT write")
        try:
            results = self.function(connection, [each.argument for each in writes])
        except Exception:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO write")
            for each in writes:
                each.run(connection)
        else:
            for each, result in zip(writes, results, strict=True):
                each.succeed(result)
        connection.execute("RELEASE write")


class WriteGroup:
    """The writes that share one commit: those that came while the previous group was being written, and no more.

    Its first writer takes it to the database's thread. `is_done` lets the others go on, behind the first, so that all
    go on in the order in which they came; if the first was cancelled meanwhile they go on once the thread is done. Only
    then does the thread wake the loop for them: it does so for the first anyway.
    """

    def __init__(self, commit_times: Durations, preamble: Preamble) -> None:
        self._loop = asyncio.get_running_loop()
        self._commit_times = commit_times
        self._preamble = preamble
        self._writes: list[Write[object]] = []
        self._has_begun = False
        self._has_run = False
        self._is_led = True
        self._lock = Lock()
        self.is_done = asyncio.Event()

    @property
    def size(self) -> int:
        """Return how many writes have joined, `GROUP_MAX` at most."""
        return len(self._writes)

    def add(self, write: Write[T]) -> bool:
        """Add the write; False when the group has begun already or is full."""
        with self._lock:
            if self._has_begun or len(self._writes) >= GROUP_MAX:
                return False
            self._writes.append(write)  # type: ignore[arg-type]  # a list of writes of every kind
            return True

    def run(self, connection: sqlite3.Connection) -> None:
        """Run all writes in one transaction; on the database's thread."""
        with self._lock:
            self._has_begun = True
        first = Write(self._preamble.write) if self._preamble.has_rows() else None
        if first is not None:
            self._writes.insert(0, first)  # type: ignore[arg-type]  # as in `add`
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._run_all(connection)
            begun_s = time.perf_counter()
            connection.execute("COMMIT")
            self._commit_times.note(time.perf_counter() - begun_s)
        except Exception as error:  # noqa: BLE001 (every caller of the group gets it)
            for write in self._writes:
                write.fail(error)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        finally:
            if first is not None:
                self._preamble.settle(first.error)
            self._note_end()

    def _run_all(self, connection: sqlite3.Connection) -> None:
        if len(self._writes) == 1:
            self._writes[0].run_alone(connection)
            return
        for write, *others in _by_function(self._writes):
            if isinstance(write, JointWrite) and others:
                write.run_with(connection, others)  # type: ignore[arg-type]  # as in `add`
            else:
                write.run(connection)

    def _note_end(self) -> None:
        """Let the others go on if their first writer has left; on the database's thread."""
        with self._lock:
            self._has_run = True
            is_led = self._is_led
        if not is_led:
            self._loop.call_soon_threadsafe(self.is_done.set)

    def release(self) -> None:
        """Let the others go on once the thread is done: the first writer waits no more."""
        with self._lock:
            self._is_led = False
            has_run = self._has_run
        if has_run:
            self.is_done.set()


def _by_function(writes: Iterable[Write[object]]) -> Iterable[list[Write[object]]]:
    """Return the writes in their order, but those that are done together with the first of them."""
    found: dict[object, list[Write[object]]] = {}
    for write in writes:
        found.setdefault(write.function if isinstance(write, JointWrite) else write, []).append(write)
    return found.values()
