"""The numbered SQL files that make the tables, and how they are applied: in order, each once, never changed."""

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from openwa_manager.domain.errors import ConfigError

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


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] | None = None) -> None:
    """Apply what is missing of `migrations` (None means those shipped), each in a transaction of its own.

    Raises:
        ConfigError: the database knows a migration that this version does not, or knows it differently.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)"
    )
    known = {migration.number: migration for migration in (shipped() if migrations is None else migrations)}
    applied = dict(connection.execute("SELECT number, checksum FROM migration").fetchall())
    for number, checksum in applied.items():
        if number not in known:
            raise ConfigError(f"the database was written by a newer version (migration {number:04}); upgrade this one")
        if known[number].checksum != checksum:
            raise ConfigError(f"{known[number].name} was changed after it had been applied; restore its old text")
    for number in sorted(known.keys() - applied.keys()):
        _apply(connection, known[number])


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    record = f"INSERT INTO migration VALUES ({migration.number}, '{migration.name}', '{migration.checksum}');"  # noqa: S608
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}\n{record}\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
