"""How far the messages of this database have come: by that a copy that takes its place is known.

Every change of a message advances the position, in the transaction that makes it.
"""

import sqlite3
from typing import NamedTuple


class Position(NamedTuple):
    """How often messages have changed, in which generation of the database; later ones are larger."""

    generation: int
    change_count: int


def advance(connection: sqlite3.Connection, at: float) -> Position:
    """Count one more change, made at wall time `at`, and return the position after it."""
    sql = """
        UPDATE message_clock SET change_count = change_count + 1, noted_at = ?
        RETURNING generation, change_count"""
    return Position(*connection.execute(sql, (at,)).fetchone())


def read_position(connection: sqlite3.Connection) -> tuple[Position, float]:
    """Return the position and when it was reached (wall time; 0: nothing has changed yet)."""
    generation, change_count, noted_at = connection.execute(
        "SELECT generation, change_count, noted_at FROM message_clock"
    ).fetchone()
    return Position(generation, change_count), noted_at


def close_generation(connection: sqlite3.Connection, above: Position) -> Position:
    """Begin the next generation and return the position in it: above this one, and above `above`."""
    sql = """
        UPDATE message_clock SET generation = max(generation, ?) + 1, change_count = max(change_count, ?)
        RETURNING generation, change_count"""
    return Position(*connection.execute(sql, above).fetchone())
