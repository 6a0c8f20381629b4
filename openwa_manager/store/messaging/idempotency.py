"""What callers asked for under a key of theirs, so that asking again does nothing twice."""

import sqlite3
from enum import StrEnum

from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import query, text, to_json

#: How long a key is remembered after all that came of it has ended.
REMEMBERED_S = 14 * 86_400.0
#: How many are forgotten in one write.
_SLICE = 200


class KeyScope(StrEnum):
    """Which keys are told apart: those of the header of our own calls, references, those of the gateway's calls.

    A GATEWAY_BATCH is the id that a caller of the gateway gave a batch.
    """

    API = "api"
    REFERENCE = "reference"
    GATEWAY = "gateway"
    GATEWAY_BATCH = "gateway_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a caller's; it belongs to the session."""

    session_id: SessionId
    scope: KeyScope
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was asked for under a key: the hash of the body, the message or batch that came of it, and the answer.

    `http_status` and `answer` are None where the answer is made anew each time, or is not known yet.
    """

    body_sha256: str
    target: str
    http_status: int | None = None
    answer: bytes | None = None


def find_key(connection: sqlite3.Connection, key: Key) -> Remembered | None:
    """Return what was asked for under the key; None when nothing was, or it is forgotten."""
    sql = """
        SELECT body_sha256, target, http_status, answer FROM idempotency
        WHERE session_id = ? AND scope = ? AND key = ?"""
    row = query(connection, sql, (key.session_id, key.scope, text(key.value))).fetchone()
    if row is None:
        return None
    return Remembered(
        body_sha256=row["body_sha256"],
        target=row["target"],
        http_status=row["http_status"],
        answer=row["answer"],
    )


def remember_key(connection: sqlite3.Connection, key: Key, asked: Remembered, at: float) -> None:
    """Remember what is asked for under a key that is not known."""
    sql = "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    values = (asked.body_sha256, asked.target, asked.http_status, asked.answer, at)
    connection.execute(sql, (key.session_id, key.scope, text(key.value), *values))


def set_answer(connection: sqlite3.Connection, key: Key, http_status: int, answer: bytes) -> None:
    """Keep the answer to what was asked for under the key."""
    sql = """
        UPDATE idempotency SET http_status = ?, answer = ?
        WHERE session_id = ? AND scope = ? AND key = ?"""
    connection.execute(sql, (http_status, answer, key.session_id, key.scope, text(key.value)))


def forget_key(connection: sqlite3.Connection, key: Key) -> None:
    """Forget a key under which nothing was done after all."""
    sql = "DELETE FROM idempotency WHERE session_id = ? AND scope = ? AND key = ?"
    connection.execute(sql, (key.session_id, key.scope, text(key.value)))


def forget_target(connection: sqlite3.Connection, target: str) -> None:
    """Forget the keys under which this message or batch was asked for."""
    connection.execute("DELETE FROM idempotency WHERE target = ?", (target,))


def forget_keys(connection: sqlite3.Connection, now: float, behind: str = "") -> str | None:
    """Forget keys of which all that came has ended long ago, or is gone; looks at some targets behind one.

    Return the last one looked at; None: there are no others.
    """
    sql = "SELECT DISTINCT target FROM idempotency WHERE target > ? ORDER BY target LIMIT ?"
    targets = [target for (target,) in connection.execute(sql, (behind, _SLICE))]
    sql = """
        SELECT value FROM json_each(?)
        LEFT JOIN message ON message.message_id = value
        LEFT JOIN batch ON batch.batch_id = value
        WHERE coalesce(message.ended_at, batch.ended_at, 0) <= ?
            AND (message.seq IS NULL OR message.ended_at IS NOT NULL)
            AND (batch.batch_id IS NULL OR batch.ended_at IS NOT NULL)"""
    old = connection.execute(sql, (to_json(targets), now - REMEMBERED_S)).fetchall()
    connection.executemany("DELETE FROM idempotency WHERE target = ?", old)
    return targets[-1] if len(targets) == _SLICE else None
