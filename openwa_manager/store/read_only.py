"""Opens a database of which nothing may be changed."""

import sqlite3
from pathlib import Path


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open the database for reading only; one that is missing is not made.

    SQLite takes this wish only as part of a URI, in which `%`, `#` and `?` of the path must be quoted.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
