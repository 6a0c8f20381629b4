"""Which sessions a user has, or once had."""

import sqlite3
from typing import NamedTuple

from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.store.columns import Column, text
from openwa_manager.store.patterns import fits


class Coverage(NamedTuple):
    """Whether some of a user's sessions are in a scope, and whether others are not; those that are gone count too."""

    has_some: bool
    has_others: bool


def coverage(connection: sqlite3.Connection, user_id: str, scope: SessionScope) -> Coverage:
    """Return how a scope covers the sessions of a user."""
    values: dict[str, Column] = {"user_id": text(user_id)}
    condition = fits("session_id", scope.patterns, "scope", values)
    sql = f"SELECT max({condition}), min({condition}) FROM user_session WHERE user_id = :user_id"  # noqa: S608 (our words)
    some, every = connection.execute(sql, values).fetchone()
    return Coverage(has_some=some == 1, has_others=every == 0)
