"""Puts a damaged database aside, never deletes it, and restores the newest sound copy."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from openwa_manager.host.files import replacing
from openwa_manager.store.backup.read_only import connect_read_only


def restore_newest(path: Path, copies: Path, at: float) -> Path | None:
    """Move the database at `path` aside, restore the newest sound copy and return which one that was.

    None means that there is no sound copy: the next open makes an empty database. `at` (wall time) names what was
    put aside. The database must be closed.

    Raises:
        OSError: a file cannot be moved or copied; the damaged one may be aside already.
    """
    for suffix in ("-wal", "-shm", ""):  # the log belongs to the damaged file and must not be applied to another
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.damaged-{int(at)}{suffix}"))
    for copy in sorted(copies.glob("manager-*.db"), reverse=True):
        if _is_sound(copy):
            with copy.open("rb") as source, replacing(path) as restored:
                shutil.copyfileobj(source, restored)
            return copy
    return None


def _is_sound(copy: Path) -> bool:
    try:
        with closing(connect_read_only(copy)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False
