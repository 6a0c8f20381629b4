"""Brings the write-ahead log into the database, beside the writer as far as that goes."""

import sqlite3
from contextlib import closing
from pathlib import Path


def copy_log(path: Path) -> None:
    """Bring into the database what its log holds, on a connection of its own: who writes meanwhile does not wait."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA checkpoint_fullfsync = 1")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def empty_log(writer: sqlite3.Connection) -> bool:
    """Bring over what is left and empty the log; return False when a reader is in the way."""
    (timeout_ms,) = writer.execute("PRAGMA busy_timeout").fetchone()
    writer.execute("PRAGMA busy_timeout = 0")  # writes would wait with us
    try:
        (is_busy, _, _) = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy
    finally:
        writer.execute(f"PRAGMA busy_timeout = {timeout_ms}")
