"""Translates what SQLite and the system complain of into our errors."""

import errno
import sqlite3

from openwa_manager.domain.errors import OpenwaManagerError, StorageFullError, StoreDamagedError

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def translated(error: Exception) -> Exception:
    """Return our word for a library's error; an error we have no word for, and one of ours, stays what it is."""
    if isinstance(error, OpenwaManagerError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFullError(str(error))
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code in _FULL:
            return StorageFullError(str(error))
        if code is not None and code & 0xFF in _DAMAGED:  # the low byte is the family of an extended code
            return StoreDamagedError(str(error))
    return error
