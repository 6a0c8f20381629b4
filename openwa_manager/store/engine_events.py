"""Which events of the engines are already ours: an engine repeats what it believes unanswered (OPENWA.md §6)."""

import sqlite3
from collections.abc import Iterable, Sequence

from openwa_manager.domain.session import SessionId
from openwa_manager.store.columns import query, to_json

#: How long a key is remembered; OpenWA's last retry and its crash replay come within minutes.
KEPT_S = 86_400.0


def remember(connection: sqlite3.Connection, session_id: SessionId, keys: Iterable[str], at: float) -> None:
    """Note these idempotency keys as ours, in the transaction that records their events."""
    connection.executemany(
        "INSERT OR IGNORE INTO engine_event (session_id, idempotency_key, seen_at) VALUES (?, ?, ?)",
        ((session_id, key, at) for key in keys),
    )


def known(connection: sqlite3.Connection, session_id: SessionId, keys: Sequence[str]) -> set[str]:
    """Return those of these keys whose events were recorded before."""
    sql = """
        SELECT idempotency_key FROM engine_event
        WHERE session_id = ? AND idempotency_key IN (SELECT value FROM json_each(?))"""
    return {row["idempotency_key"] for row in query(connection, sql, (session_id, to_json(list(keys))))}


def forget_old(connection: sqlite3.Connection, now: float) -> None:
    """Drop the keys no engine will repeat any more."""
    connection.execute("DELETE FROM engine_event WHERE seen_at < ?", (now - KEPT_S,))
