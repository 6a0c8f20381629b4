"""Measures what a commit costs on this disk, with the daemon's own settings."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from openwa_manager.store.database import PRAGMAS


def commit_times_s(path: Path, count: int, *, has_full_fsync: bool) -> list[float]:
    """Return how long each of so many small transactions took in a new database at `path`.

    With `has_full_fsync` macOS empties the drive's cache too, as the daemon's database has it; elsewhere it is nothing.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in PRAGMAS:
            connection.execute(pragma)
        if not has_full_fsync:
            connection.execute("PRAGMA fullfsync = 0")
        connection.execute("CREATE TABLE fact (number INTEGER, content TEXT)")
        return [_commit_s(connection, number) for number in range(count)]


def _commit_s(connection: sqlite3.Connection, number: int) -> float:
    begun_s = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO fact VALUES (?, ?)", (number, "x" * 400))
    connection.execute("COMMIT")
    return time.perf_counter() - begun_s
