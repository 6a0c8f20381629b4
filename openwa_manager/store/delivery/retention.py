"""How much of the past is kept."""

import sqlite3

from openwa_manager.domain.values import dataclass
from openwa_manager.store.delivery.event_times import forget_stretches

#: How many rows one call looks at and removes at most, so that no write waits long behind it.
SLICE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long, and how much."""

    delivered_s: float = 7 * 86_400.0
    delivered_max: int = 1_000_000
    dead_s: float = 30 * 86_400.0


def forget_dead(connection: sqlite3.Connection, at: float, retention: Retention) -> int:
    """Remove some dead deliveries that are kept no longer at wall time `at`; return how many, 0 when none is left."""
    return connection.execute(_FORGET_DEAD, (at - retention.dead_s, SLICE)).rowcount


_FORGET_DEAD = """
    DELETE FROM delivery WHERE (event_seq, endpoint_id) IN (
        SELECT event_seq, endpoint_id FROM delivery WHERE state = 'dead' AND settled_at < ?
        ORDER BY settled_at LIMIT ?)"""


def forget_settled(
    connection: sqlite3.Connection, at: float, retention: Retention, behind: int = 0, kept_after: int = 0
) -> int | None:
    """Remove those of some events behind that seq which nobody waits for and which are kept no longer.

    Too many are those up to the seq `kept_after`, too old those before the first one that is young at wall time `at`.
    Return the seq to go on behind; None when all was looked at.
    """
    rows = connection.execute(_NEXT, (behind, SLICE)).fetchall()
    young_at = at - retention.delivered_s
    ends = [seq for seq, occurred_at in rows if seq > kept_after and occurred_at >= young_at]
    is_last = bool(ends) or len(rows) < SLICE
    until = ends[0] if ends else rows[-1][0] + 1 if rows else behind
    connection.execute(_FORGET_SETTLED, (behind, until))
    if is_last:
        forget_stretches(connection)
    return None if is_last else until - 1


_NEXT = "SELECT seq, occurred_at FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
_FORGET_SETTLED = """
    DELETE FROM event WHERE seq > ? AND seq < ? AND NOT EXISTS (
        SELECT 1 FROM delivery WHERE event_seq = seq AND state <> 'delivered')"""
