"""Looks at a database of which nothing may be changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

from openwa_manager.domain.errors import StoreDamagedError

#: The version of SQLite that Python brings along.
SQLITE_VERSION = sqlite3.sqlite_version_info


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open the database for reading only; one that is missing is not made.

    SQLite takes this wish only as part of a URI, in which `%`, `#` and `?` of the path must be quoted.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def count_sessions(path: Path) -> int:
    """Return how many sessions the database at `path` holds, if it is whole; reads all of it.

    Raises:
        StoreDamagedError: it is not whole, or cannot be read.
    """
    try:
        with closing(connect_read_only(path)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (count,) = connection.execute("SELECT count(*) FROM session").fetchone()
    except sqlite3.Error as error:
        raise StoreDamagedError(str(error)) from error
    if verdict != "ok":
        raise StoreDamagedError(verdict)
    return int(count)
