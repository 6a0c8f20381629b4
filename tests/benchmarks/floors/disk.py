"""Commits one row at a time with SQLite alone, as durably as the daemon does."""

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path


def open_durable(path: Path) -> sqlite3.Connection:
    """Open a database whose commits are on disk when they return."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = 1", "checkpoint_fullfsync = 1"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def commit_times(count: int, disk: Path | None = None) -> list[float]:
    """Commit so many rows on this disk (None: where temporary files are); return how long each took, in seconds."""
    times_s: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="openwa-bench-", dir=disk) as folder,
        closing(open_durable(Path(folder, "floor.db"))) as connection,
    ):
        connection.execute("CREATE TABLE launch (session_id TEXT PRIMARY KEY, pid INTEGER)")
        for number in range(count):
            began_s = time.perf_counter()
            connection.execute("INSERT INTO launch VALUES (?, NULL)", (f"s{number}",))
            times_s.append(time.perf_counter() - began_s)
    return times_s
