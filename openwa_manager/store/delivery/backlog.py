"""What is undelivered, all endpoints together: how much of it fits, and what goes first when it does not."""

import sqlite3
from dataclasses import dataclass

#: How many rows one call removes at most, so that no write waits long behind it.
_CHUNK = 2_000
#: The share of the limit above which room is made before it is needed.
_NEAR = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogLimit:
    """How much may be undelivered."""

    row_count: int = 200_000
    byte_count: int = 1 << 30


#: The one in force.
BACKLOG_LIMIT = BacklogLimit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is undelivered now."""

    row_count: int
    byte_count: int

    def is_full(self, limit: BacklogLimit = BACKLOG_LIMIT) -> bool:
        """Tell whether engines should be asked to come back later."""
        return self.row_count >= limit.row_count or self.byte_count >= limit.byte_count

    def is_near(self, limit: BacklogLimit = BACKLOG_LIMIT) -> bool:
        """Tell whether it is time to make room."""
        return self.row_count >= limit.row_count * _NEAR or self.byte_count >= limit.byte_count * _NEAR


def read_backlog(connection: sqlite3.Connection) -> Backlog:
    """Return how much is undelivered; one row is read, however much it is."""
    row_count, byte_count = connection.execute("SELECT row_count, byte_count FROM backlog").fetchone()
    return Backlog(row_count=row_count, byte_count=byte_count)


def drop_passing(connection: sqlite3.Connection) -> int:
    """Drop some undelivered events of passing interest, oldest first; return how many, 0 when there are none.

    States and messages are never dropped.
    """
    return connection.execute(_DROP_PASSING, (_CHUNK,)).rowcount


_DROP_PASSING = """
    DELETE FROM delivery WHERE (event_seq, endpoint_id) IN (
        SELECT event_seq, endpoint_id FROM delivery WHERE state = 'pending' AND class = 'passing'
        ORDER BY event_seq LIMIT ?)"""
