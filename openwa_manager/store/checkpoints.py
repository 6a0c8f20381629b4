"""Brings the write-ahead log into the database, beside the writer as far as that goes."""

import sqlite3
from contextlib import closing
from pathlib import Path

#: How long the log grows before a commit brings it over (pages of 4 KiB), and that it does so never.
USUAL, NEVER = 1000, 0


def bring_over_at(writer: sqlite3.Connection, pages: int = USUAL) -> None:
    """Have commits bring the log into the database once it is so long."""
    writer.execute(f"PRAGMA wal_autocheckpoint = {pages:d}").fetchone()


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
