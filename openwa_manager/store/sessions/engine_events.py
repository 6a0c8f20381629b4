"""Which events of the engines are already ours: an engine repeats what was not answered (docs/openwa.md, Webhooks)."""

import sqlite3
from collections.abc import Sequence

from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import to_json

#: How long a key is remembered; OpenWA's last retry and its crash replay come within minutes.
KEPT_S = 86_400.0
#: How many are forgotten in one write: other writes wait meanwhile.
SLICE = 200


class RepeatedError(Exception):
    """Some of these events are ours already; `keys` are theirs."""

    def __init__(self, keys: set[str]) -> None:
        super().__init__(f"{len(keys)} repeated")
        self.keys = keys


def remember(connection: sqlite3.Connection, session_id: SessionId, keys: Sequence[str], at: float) -> None:
    """Note these idempotency keys, no two of which are the same, as ours, in the transaction that records their events.

    Raises:
        RepeatedError: some are known already; the transaction must be given up.
    """
    if not keys:
        return
    among = to_json(list(keys))
    repeated = {key for (key,) in connection.execute(_KNOWN, (session_id, among))}
    if repeated:
        raise RepeatedError(repeated)
    connection.execute(_REMEMBER, (session_id, at, among))


# However many keys there are, two statements: each of them waits for the interpreter's lock.
_KNOWN = """
    SELECT idempotency_key FROM engine_event
    WHERE session_id = ? AND idempotency_key IN (SELECT value FROM json_each(?))"""
_REMEMBER = "INSERT INTO engine_event (session_id, seen_at, idempotency_key) SELECT ?, ?, value FROM json_each(?)"


def forget_session(connection: sqlite3.Connection, session_id: SessionId) -> None:
    """Drop the keys of a session that is removed: one that is created under its id later uses them anew."""
    connection.execute("DELETE FROM engine_event WHERE session_id = ?", (session_id,))


def forget_old(connection: sqlite3.Connection, now: float) -> int:
    """Drop some of the keys no engine will repeat any more; return how many, 0 when none is left."""
    return connection.execute(_FORGET, (now - KEPT_S, SLICE)).rowcount


_FORGET = """
    DELETE FROM engine_event WHERE (session_id, idempotency_key) IN (
        SELECT session_id, idempotency_key FROM engine_event WHERE seen_at < ? ORDER BY seen_at LIMIT ?)"""
