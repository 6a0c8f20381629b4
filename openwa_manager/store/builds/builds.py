"""The builds that are installed, are being installed, or could not be; and which one is the default."""

import sqlite3
from typing import NamedTuple

from openwa_manager.domain.builds.builds import Build, BuildName, BuildState
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.store.columns import json_texts, query, text, to_json

_SAVE = """
    INSERT INTO build
        (name, state, source, install_id, created_at, version, error, warnings, size_bytes, installed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET
        state = excluded.state, source = excluded.source, install_id = excluded.install_id,
        created_at = excluded.created_at, version = excluded.version, error = excluded.error,
        warnings = excluded.warnings, size_bytes = excluded.size_bytes, installed_at = excluded.installed_at"""


class DefaultBuild(NamedTuple):
    """What sessions run that pin no build, and what it was before (None: never another)."""

    name: BuildName
    former: BuildName | None


def save_build(connection: sqlite3.Connection, build: Build) -> None:
    """Record a build as it is now."""
    connection.execute(
        _SAVE,
        (
            build.name,
            build.state.value,
            text(build.source),
            build.install_id,
            build.created_at,
            None if build.version is None else text(build.version),
            None if build.error is None else text(build.error),
            to_json(list(build.warnings)),
            build.size_bytes,
            build.installed_at,
        ),
    )


def remove_build(connection: sqlite3.Connection, name: BuildName) -> None:
    """Forget a build."""
    connection.execute("DELETE FROM build WHERE name = ?", (name,))


def load_builds(connection: sqlite3.Connection) -> list[Build]:
    """Return all builds, oldest first."""
    return [_build_of(row) for row in query(connection, "SELECT * FROM build ORDER BY created_at, name")]


def load_default(connection: sqlite3.Connection) -> DefaultBuild:
    """Return which build is the default."""
    name, former = connection.execute("SELECT name, former FROM default_build").fetchone()
    return DefaultBuild(BuildName(name), None if former is None else BuildName(former))


def save_default(connection: sqlite3.Connection, default: DefaultBuild) -> None:
    """Record which build is the default from now on."""
    connection.execute("UPDATE default_build SET name = ?, former = ?", default)


def _build_of(row: sqlite3.Row) -> Build:
    return Build(
        name=BuildName(row["name"]),
        state=BuildState(row["state"]),
        source=row["source"],
        install_id=LaunchId(row["install_id"]),
        created_at=row["created_at"],
        version=row["version"],
        error=row["error"],
        warnings=json_texts(row["warnings"]),
        size_bytes=row["size_bytes"],
        installed_at=row["installed_at"],
    )
