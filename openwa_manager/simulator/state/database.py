"""A file that stands for one of OpenWA's SQLite databases, and fails as that does when somebody removes or cuts it."""

import json
from pathlib import Path
from typing import cast

from openwa_manager.simulator.http.wire import Json

Tables = dict[str, list[dict[str, Json]]]


class CorruptDataError(Exception):
    """A data file cannot be read; the message is what OpenWA logs."""


class DatabaseLostError(Exception):
    """The file was removed, replaced or cut while it was in use; the message is what OpenWA logs."""


class Database:
    """A file to which every write adds the whole content as a line; the last whole line counts.

    So a crash leaves the old or the new content, and the file stays the same file. As with SQLite, which holds its file
    open, one that was removed can still be read but not written, and one that was cut can be neither.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_bytes = 0
        self._identity: tuple[int, int] | None = None

    def load(self) -> Tables:
        """Return what the file holds; a missing or empty one is a new database. Raises: CorruptDataError, OSError."""
        tables = _last_line(self._path.read_bytes()) if self._path.exists() else {}
        scratch = self._path.with_suffix(".tmp")
        scratch.write_bytes(_encoded(tables))  # without the lines of earlier processes
        scratch.replace(self._path)
        facts = self._path.stat()
        self._identity, self._size_bytes = (facts.st_dev, facts.st_ino), facts.st_size
        return tables

    def write(self, tables: Tables) -> None:
        """Replace the content. Raises: DatabaseLostError, OSError."""
        self.require_writable()
        line = _encoded(tables)
        with self._path.open("ab") as file:
            file.write(line)
        self._size_bytes += len(line)

    def require_readable(self) -> None:
        """Do nothing. Raises: DatabaseLostError when the file was cut."""
        if self._left_bytes() not in (None, self._size_bytes):
            raise DatabaseLostError("SQLITE_ERROR: no such table")

    def require_writable(self) -> None:
        """Do nothing. Raises: DatabaseLostError when the file was cut, or is not at its place any more."""
        self.require_readable()
        if self._left_bytes() is None:
            raise DatabaseLostError("SQLITE_READONLY_DBMOVED: attempt to write a readonly database")

    def _left_bytes(self) -> int | None:
        """Return how much the file at our place holds; None when it is not ours."""
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return facts.st_size if (facts.st_dev, facts.st_ino) == self._identity else None


def _encoded(tables: Tables) -> bytes:
    return json.dumps(tables).encode() + b"\n"


def _last_line(content: bytes) -> Tables:
    """Return what the last whole line holds. Raises: CorruptDataError."""
    for line in reversed(content.splitlines()):
        try:
            return cast("Tables", json.loads(line))
        except ValueError:
            continue
    if content:
        raise CorruptDataError("SQLITE_NOTADB: file is not a database")
    return {}
