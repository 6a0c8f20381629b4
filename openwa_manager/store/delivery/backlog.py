"""What is undelivered, all endpoints together: how much of it fits, whose it is, what goes first when it does not fit.

The room is shared as switches share their buffers (dynamic thresholds, Choudhury and Hahne 1998): a session may hold
as much as is still free, and never more than a quarter of the whole. One that floods is stopped at that quarter; the
more there are that do, the sooner each is stopped, and there is always room left for those that hold little.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import field

from openwa_manager.domain.values import dataclass

#: How many rows one call removes at most, so that no write waits long behind it.
_CHUNK = 500
#: What one session may hold of the whole at most: a quarter.
_SHARE = 4
#: What is kept for what a session says of itself, when all other room is taken: so much of the whole for each.
_STATE_SHARE = 200
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


_NOTHING = Backlog(row_count=0, byte_count=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What is undelivered now, in all and of each session that has something."""

    whole: Backlog = _NOTHING
    of_sessions: Mapping[str, Backlog] = field(default_factory=dict)

    def has_room(self, session_id: str, limit: BacklogLimit = BACKLOG_LIMIT) -> bool:
        """Tell whether one more event of this session may come in."""
        own = self.of_sessions.get(session_id, _NOTHING)
        return _fits(own.row_count, self.whole.row_count, limit.row_count) and _fits(
            own.byte_count, self.whole.byte_count, limit.byte_count
        )

    def has_state_room(self, session_id: str, limit: BacklogLimit = BACKLOG_LIMIT) -> bool:
        """Tell whether one more event that says how this session is may come in."""
        own = self.of_sessions.get(session_id, _NOTHING)
        is_small = own.row_count < limit.row_count // _STATE_SHARE and own.byte_count < limit.byte_count // _STATE_SHARE
        return is_small or self.has_room(session_id, limit)


def _fits(own: int, whole: int, limit: int) -> bool:
    return own < min(limit // _SHARE, limit - whole)


def read_shares(connection: sqlite3.Connection) -> Shares:
    """Return how much is undelivered, and of whom; one row is read for each session that has something waiting."""
    rows = connection.execute("SELECT session_id, row_count, byte_count FROM session_backlog")
    of_sessions = {
        session_id: Backlog(row_count=row_count, byte_count=byte_count) for session_id, row_count, byte_count in rows
    }
    return Shares(whole=read_backlog(connection), of_sessions=of_sessions)


def read_backlog(connection: sqlite3.Connection) -> Backlog:
    """Return how much is undelivered; one row is read, however much it is."""
    row_count, byte_count = connection.execute("SELECT row_count, byte_count FROM backlog").fetchone()
    return Backlog(row_count=row_count, byte_count=byte_count)


def drop_passing(connection: sqlite3.Connection) -> int:
    """Drop some undelivered events of passing interest, oldest first; return how many, 0 when there are none.

    Those of the session that holds most go before all others. States and messages are never dropped.
    """
    return connection.execute(_DROP_OF_LARGEST, (_CHUNK,)).rowcount or connection.execute(_DROP_ANY, (_CHUNK,)).rowcount


_DROP_ANY = """
    DELETE FROM delivery WHERE (event_seq, endpoint_id) IN (
        SELECT event_seq, endpoint_id FROM delivery WHERE state = 'pending' AND class = 'passing'
        ORDER BY event_seq LIMIT ?)"""
#: By the index of what waits: one session has a share of it at most, where all that is passing may be nearly the whole.
_DROP_OF_LARGEST = """
    DELETE FROM delivery WHERE (event_seq, endpoint_id) IN (
        SELECT event_seq, endpoint_id FROM delivery INDEXED BY delivery_pending
        WHERE state = 'pending' AND class = 'passing' AND endpoint_id IN (SELECT endpoint_id FROM endpoint)
            AND lane IN ('main', 'qr')
            AND session_id = (SELECT session_id FROM session_backlog ORDER BY byte_count DESC LIMIT 1)
        ORDER BY event_seq LIMIT ?)"""
