"""A session's proxy inside OpenWA, whose API takes it at creation only and never shows it again."""

import sqlite3
import time
from contextlib import closing

import structlog

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.opening import plain_status_of, status_of

_log = structlog.get_logger()

#: How long all of it may take, and how often that is looked at: every so many steps of SQLite's machine.
_WITHIN_S, _STEPS = 2.0, 1000
#: No text or blob of a database that an engine wrote may become longer than this in our memory.
_VALUE_MAX_BYTES = 1 << 20
#: What SQLite opens beside a database, as if it were its own.
_BESIDE = ("", "-journal", "-wal", "-shm")
_CHANGE = 'UPDATE sessions SET "proxyUrl" = ?, "proxyType" = NULL WHERE name = ? AND "proxyUrl" IS NOT ?'


def change_proxy(directory: ForeignPath, name: str, proxy_url: str | None) -> None:
    """Write the proxy into the record OpenWA keeps of session `name`, while no engine runs in `directory`. Blocks.

    None means no proxy. A session OpenWA does not know yet gets its proxy when it is created. A database that
    cannot be changed is left to OpenWA, which says better than we could what is wrong with it. So is one in which the
    change would make anything else run: a view or a trigger that an engine may have put there.
    """
    database = directory.child("data", "openwa.sqlite")
    if not _is_plain(database):
        return
    try:
        with closing(sqlite3.connect(database.path, timeout=_WITHIN_S)) as connection, connection:
            _distrust(connection)
            connection.execute(_CHANGE, (proxy_url, name, proxy_url))
    except sqlite3.Error as error:
        _log.warning("proxy_unchanged", database=str(database), error=str(error))


def _is_plain(database: ForeignPath) -> bool:
    """Tell whether there is a database, and no link or pipe is in the place of any of its files."""
    files = [database.sibling(f"{database.name}{ending}") for ending in _BESIDE]
    if plain_status_of(database) is None:
        return False
    strange = [file for file in files if status_of(file) is not None and not _has_one_name(file)]
    if strange:
        _log.warning("proxy_unchanged", database=str(database), error=f"{strange[0].name} is no plain file")
    return not strange


def _has_one_name(file: ForeignPath) -> bool:
    status = plain_status_of(file)
    return status is not None and status.st_nlink == 1


def _distrust(connection: sqlite3.Connection) -> None:
    """Let nothing that is stored in the database run, and no statement without end."""
    due_s = time.monotonic() + _WITHIN_S
    connection.set_progress_handler(lambda: time.monotonic() > due_s, _STEPS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_MAX_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.set_authorizer(_authorize)


def _authorize(_action: int, _first: str | None, _second: str | None, _database: str | None, inner: str | None) -> int:
    """Refuse what a trigger or a view would do: `inner` names it."""
    return sqlite3.SQLITE_OK if inner is None else sqlite3.SQLITE_DENY
