"""How much of the past is kept."""

import sqlite3
from dataclasses import dataclass

from openwa_manager.store.delivery.outbox import last_seq

#: How many rows one call removes at most of each kind, so that no write waits long behind it.
_CHUNK = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long, and how much."""

    delivered_s: float = 7 * 86_400.0
    delivered_max: int = 1_000_000
    dead_s: float = 30 * 86_400.0


def prune(connection: sqlite3.Connection, at: float, retention: Retention) -> int:
    """Remove some of what is kept no longer at wall time `at`; return how many rows, 0 when nothing is left to do."""
    dead = connection.execute(_PRUNE_DEAD, (at - retention.dead_s, _CHUNK)).rowcount
    bound = _seq_before(connection, at, retention)
    settled = connection.execute(_PRUNE_SETTLED, (bound, _CHUNK)).rowcount
    return dead + settled


_PRUNE_DEAD = """
    DELETE FROM delivery WHERE (event_seq, endpoint_id) IN (
        SELECT event_seq, endpoint_id FROM delivery WHERE state = 'dead' AND settled_at < ?
        ORDER BY settled_at LIMIT ?)"""
_PRUNE_SETTLED = """
    DELETE FROM event WHERE seq IN (
        SELECT seq FROM event WHERE seq < ? AND NOT EXISTS (
            SELECT 1 FROM delivery WHERE event_seq = seq AND state <> 'delivered') ORDER BY seq LIMIT ?)"""


def _seq_before(connection: sqlite3.Connection, at: float, retention: Retention) -> int:
    """Return the seq below which settled events may go, by age or by number; the scan ends at the first young one."""
    newest = last_seq(connection)
    young = connection.execute(
        "SELECT seq FROM event WHERE occurred_at >= ? ORDER BY seq LIMIT 1", (at - retention.delivered_s,)
    ).fetchone()
    by_age: int = young[0] if young else newest + 1
    return max(by_age, newest - retention.delivered_max + 1)
