"""Looks at a database of which nothing may be changed."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.errors import StoreDamagedError

#: The version of SQLite that Python brings along.
SQLITE_VERSION = sqlite3.sqlite_version_info
_PINS = "SELECT build, session_id FROM session WHERE build IS NOT NULL ORDER BY build, session_id"


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


class BuildsInUse(NamedTuple):
    """Which build sessions run that pin none, and of each other build the sessions that pin it."""

    default: str = HOME_BUILD
    pins: Mapping[str, Sequence[str]] = {}


def builds_in_use(path: Path) -> BuildsInUse:
    """Return which builds sessions would run by the database at `path`; the setting's where it tells of none."""
    pins: dict[str, list[str]] = {}
    try:
        with closing(connect_read_only(path)) as connection:
            (default,) = connection.execute("SELECT name FROM default_build").fetchone()
            for build, session_id in connection.execute(_PINS):
                pins.setdefault(str(build), []).append(str(session_id))
    except (sqlite3.Error, TypeError):  # it is not there, damaged, or older than builds are
        return BuildsInUse()
    return BuildsInUse(str(default), pins)
