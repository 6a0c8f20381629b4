"""Copies of the database: how one is made, and those kept from before each migration for an older program."""

import os
import shlex
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from openwa_manager.domain.errors import ConfigError, CopyFailedError, SchemaTooNewError
from openwa_manager.host.files import replacing
from openwa_manager.store.backup.epochs import mark_copy
from openwa_manager.store.migrations import Migration, migrate, pending, shipped

#: How many copies from before a migration are kept: the newest ones.
KEPT_COUNT = 3


def write_copy(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the database to `target`, whole and consistent, mode 0600; a file in its place is replaced.

    It is marked as a copy (epochs.mark_copy). A copy that fails leaves what was there before.
    """
    with replacing(target) as unfinished:
        name = os.fsencode(unfinished.name)  # a path may be no UTF-8
        connection.execute("VACUUM INTO CAST(? AS TEXT)", (name,))  # it accepts a file that is empty
        with closing(sqlite3.connect(unfinished.name, isolation_level=None)) as copy:
            mark_copy(copy)


def upgrade(
    connection: sqlite3.Connection, path: Path, copies: Path, migrations: Sequence[Migration] | None = None
) -> None:
    """Bring the tables of the database at `path` up to date, and before they change copy it into `copies`.

    A new database has nothing to copy. `migrations` None means those shipped.

    Raises:
        SchemaTooNewError: a newer version wrote the database; the message names the copy to put back.
        ConfigError: an applied migration was changed afterwards.
        CopyFailedError: there is no copy, so nothing was changed.
    """
    known = shipped() if migrations is None else migrations
    try:
        missing = pending(connection, known)
    except SchemaTooNewError as error:
        raise SchemaTooNewError(f"{error}, or {_way_back(path, copies, known)}") from None
    if missing and len(missing) < len(known):
        _keep(connection, copies, missing[0])
    migrate(connection, known)


def _keep(connection: sqlite3.Connection, copies: Path, first: Migration) -> None:
    """Copy the database as it is before its `first` missing migration, and remove copies that are too many."""
    made = copies / f"before-migration-{first.number:04}.db"
    try:
        write_copy(connection, made)
        others = [copy for copy in _newest_first(copies) if copy != made]  # whatever the clock says, it is the newest
        for old in others[KEPT_COUNT - 1 :]:
            old.unlink()
    except (sqlite3.Error, OSError) as error:
        raise CopyFailedError(
            f"the database must be copied into {copies} before {first.name} changes it, and cannot be ({error}): "
            "make room there, then start again"
        ) from error


def _newest_first(copies: Path) -> list[Path]:
    """Return the copies from before a migration; the hourly copies are called `manager-….db` and are not among them."""
    found = copies.glob("before-migration-*.db")
    return sorted(found, key=lambda copy: (copy.stat().st_mtime_ns, copy.name), reverse=True)


def _way_back(path: Path, copies: Path, known: Sequence[Migration]) -> str:
    copy = next((copy for copy in _newest_first(copies) if _is_readable(copy, known)), None)
    if copy is None:
        return f"go on with another database: no copy in {copies} is one that this version can read"
    return (
        f"go back to how it was before, without what came since: move {path} aside (with {path.name}-wal and "
        f"{path.name}-shm where they exist), then run: cp -p {shlex.quote(str(copy))} {shlex.quote(str(path))}"
    )


def _is_readable(copy: Path, known: Sequence[Migration]) -> bool:
    """Tell whether the copy is sound and a program with the `known` migrations can go on with it."""
    try:
        with closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            pending(connection, known)
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except (sqlite3.Error, ConfigError, SchemaTooNewError):
        return False
