"""Which events of the engines are already ours: an engine repeats what was not answered (docs/openwa.md, Webhooks)."""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from openwa_manager.domain.session.session import SessionId

#: How long a key is remembered; OpenWA's last retry and its crash replay come within minutes.
KEPT_S = 86_400.0
#: How many are forgotten in one write: other writes wait meanwhile.
SLICE = 200


class RepeatedError(Exception):
    """Some of these events are ours already; `keys` are theirs."""

    def __init__(self, keys: set[str]) -> None:
        super().__init__(f"{len(keys)} repeated")
        self.keys = keys


class EngineKey(NamedTuple):
    """The idempotency key of an event of a session's engine, and when it came (wall time)."""

    session_id: SessionId
    key: str
    at: float


def remember(connection: sqlite3.Connection, keys: Sequence[EngineKey]) -> None:
    """Note these keys, no two of which are the same, as ours, in the transaction that records their events.

    Raises:
        RepeatedError: some are known already; the transaction must be given up.
    """
    for begin in range(0, len(keys), _TOGETHER):
        some = keys[begin : begin + _TOGETHER]
        try:
            connection.execute(_REMEMBER + ", ".join(["(?, ?, ?)"] * len(some)), list(chain.from_iterable(some)))
        except sqlite3.IntegrityError as error:
            known = {each.key for each in some if connection.execute(_IS_KNOWN, each[:2]).fetchone()}
            raise RepeatedError(known) from error


#: How many are noted by one statement: each of them waits for the interpreter's lock.
_TOGETHER = 64
_REMEMBER = "INSERT INTO engine_event (session_id, idempotency_key, seen_at) VALUES "
_IS_KNOWN = "SELECT 1 FROM engine_event WHERE session_id = ? AND idempotency_key = ?"


def forget_session(connection: sqlite3.Connection, session_id: SessionId) -> None:
    """Drop the keys of a session that is removed: one that is created under its id later uses them anew."""
    connection.execute("DELETE FROM engine_event WHERE session_id = ?", (session_id,))


def forget_old(connection: sqlite3.Connection, now: float) -> int:
    """Drop some of the keys no engine will repeat any more; return how many, 0 when none is left."""
    return connection.execute(_FORGET, (now - KEPT_S, SLICE)).rowcount


_FORGET = """
    DELETE FROM engine_event WHERE (session_id, idempotency_key) IN (
        SELECT session_id, idempotency_key FROM engine_event WHERE seen_at < ? ORDER BY seen_at LIMIT ?)"""
