"""How much of the past is kept."""

import sqlite3
from dataclasses import dataclass

from openwa_manager.store.delivery.event_times import forget_stretches
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
    forget_stretches(connection)
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
    young = connection.execute(
        "SELECT seq FROM event WHERE occurred_at >= ? ORDER BY seq LIMIT 1", (at - retention.delivered_s,)
    ).fetchone()
    by_age: int = young[0] if young else last_seq(connection) + 1
    return max(by_age, _seq_by_count(connection, retention.delivered_max))


def _seq_by_count(connection: sqlite3.Connection, count: int) -> int:
    """Return the seq of the oldest of the newest `count` events; 0 when there are fewer.

    Numbers leap where an epoch begins, so they are counted, but only if their range says that there may be as many.
    """
    first, last = connection.execute("SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)").fetchone()
    if first is None or last - first < count:
        return 0
    sql = "SELECT seq FROM event ORDER BY seq DESC LIMIT 1 OFFSET ?"
    row = connection.execute(sql, (count - 1,)).fetchone()
    return int(row[0]) if row else 0
