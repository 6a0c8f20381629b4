"""The numbered SQL files that make the tables, and how they are applied: in order, each once, never changed."""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from importlib import resources

from openwa_manager.domain.errors import ConfigError, SchemaTooNewError
from openwa_manager.domain.values import dataclass

_NAME = re.compile(r"(\d{4})_[a-z_]+\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema's history."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the file, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def shipped() -> list[Migration]:
    """Return the migrations of this version, in order."""
    files = (file for file in resources.files(__name__).iterdir() if _NAME.fullmatch(file.name))
    migrations = [Migration(number=int(file.name[:4]), name=file.name, sql=file.read_text("utf-8")) for file in files]
    return sorted(migrations, key=lambda migration: migration.number)


def pending(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Return those of `migrations` that are not applied yet, in order; nothing is changed.

    Raises:
        SchemaTooNewError: the database knows a migration that is not among them.
        ConfigError: it knows one of them with another text.
    """
    known = {migration.number: migration for migration in migrations}
    applied = _applied(connection)
    if unknown := applied.keys() - known.keys():
        raise SchemaTooNewError(
            f"a newer version wrote the database (migration {max(unknown):04}; this one knows up to "
            f"{max(known, default=0):04}): install that version again"
        )
    for number, checksum in applied.items():
        if known[number].checksum != checksum:
            raise ConfigError(f"{known[number].name} was changed after it had been applied; restore its old text")
    return [known[number] for number in sorted(known.keys() - applied.keys())]


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] | None = None) -> None:
    """Apply what is missing of `migrations` (None means those shipped), each in a transaction of its own.

    Raises:
        SchemaTooNewError | ConfigError: as `pending`.
    """
    missing = pending(connection, shipped() if migrations is None else migrations)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
    )
    for migration in missing:
        _apply(connection, migration)


def _applied(connection: sqlite3.Connection) -> dict[int, str]:
    """Return the checksum of every applied migration, by its number; a new database has none."""
    has_table = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").fetchone()
    return dict(connection.execute("SELECT number, checksum FROM migration").fetchall()) if has_table else {}


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    record = f"INSERT INTO migration VALUES ({migration.number}, '{migration.name}', '{migration.checksum}');"  # noqa: S608 (our files)
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}\n{record}\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
