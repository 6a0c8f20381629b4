"""Whom a user's sessions never write to: those who opted out, and those whom the user named.

A person is on the list under every name that is known, each as a hash; the name itself is there for people to read,
until the person is erased. So somebody who is erased stays off, and nobody can tell from the list who that is.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterable

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import Message, MessageError, MessageId, MessageStatus, Move, UserKey
from openwa_manager.domain.messaging.recipients import is_person
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import query, text, to_json
from openwa_manager.store.messaging.moves import move
from openwa_manager.store.messaging.people.aliases import names_of, sessions_of

OPTED_OUT = "opted_out"
#: How many messages are cancelled in one write.
CANCELLED_MAX = 100
_CANCELLED = MessageError(code=EndCode.OPTED_OUT, detail=ENDS[EndCode.OPTED_OUT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One name on the list; `name` None: the person was erased, and only the hash is left."""

    name: str | None
    name_sha256: str
    reason: str
    created_at: float


def add(connection: sqlite3.Connection, user_key: UserKey, chat_id: str, reason: str, at: float) -> bool:
    """Put a contact on the list, under all its names; return False when it was on it. An erased name stays so."""
    was_suppressed = is_suppressed(connection, user_key, chat_id)
    sql = """
        INSERT OR IGNORE INTO suppression (user_key, name_sha256, name, reason, created_at) VALUES (?, ?, ?, ?, ?)"""
    names = names_of(connection, user_key, chat_id)
    connection.executemany(sql, [(user_key, _hash(name), text(name), text(reason), at) for name in names])
    return not was_suppressed


def remove(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> bool:
    """Take a contact off the list, under all its names; return False when it was not on it."""
    sql = "DELETE FROM suppression WHERE user_key = ? AND name_sha256 IN (SELECT value FROM json_each(?))"
    hashes = to_json([_hash(name) for name in names_of(connection, user_key, chat_id)])
    return connection.execute(sql, (user_key, hashes)).rowcount > 0


def find(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> Suppression | None:
    """Return what the list says of a contact, under any of its names; None when it is not on it."""
    for name in names_of(connection, user_key, chat_id):
        sql = "SELECT * FROM suppression WHERE user_key = ? AND name_sha256 = ?"
        row = query(connection, sql, (user_key, _hash(name))).fetchone()
        if row is not None:
            return _suppression_of(row)
    return None


def is_suppressed(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> bool:
    """Tell whether a contact is on the list, under any of its names."""
    return find(connection, user_key, chat_id) is not None


def find_suppressed(connection: sqlite3.Connection, user_key: UserKey, chat_ids: Iterable[str]) -> Collection[str]:
    """Return those of the chats whose contacts are on the list; a few hundred at a time, for other writes wait."""
    if connection.execute("SELECT 1 FROM suppression WHERE user_key = ? LIMIT 1", (user_key,)).fetchone() is None:
        return frozenset()
    return {chat_id for chat_id in chat_ids if is_suppressed(connection, user_key, chat_id)}


def added_since(connection: sqlite3.Connection, user_key: UserKey, since: float) -> frozenset[str]:
    """Return the names that came onto the list since then (wall time)."""
    sql = """
        SELECT name FROM suppression INDEXED BY suppression_of_late
        WHERE user_key = ? AND created_at >= ? AND name IS NOT NULL"""
    return frozenset(name for (name,) in connection.execute(sql, (user_key, since)))


def read_page(
    connection: sqlite3.Connection, user_key: UserKey, after: str = "", limit: int = 100
) -> list[Suppression]:
    """Return the list behind the hash `after` ("": from the beginning), at most `limit` names."""
    sql = "SELECT * FROM suppression WHERE user_key = ? AND name_sha256 > ? ORDER BY name_sha256 LIMIT ?"
    return [_suppression_of(row) for row in query(connection, sql, (user_key, after, limit))]


def erase_name(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> None:
    """Keep no more than the hashes of a contact's names, if it is on the list; before its aliases are forgotten."""
    sql = "UPDATE suppression SET name = NULL WHERE user_key = ? AND name_sha256 IN (SELECT value FROM json_each(?))"
    connection.execute(sql, (user_key, to_json([_hash(name) for name in names_of(connection, user_key, chat_id)])))


def cancel_waiting(connection: sqlite3.Connection, user_key: UserKey, chat_id: str, at: float) -> list[Event]:
    """Cancel what waits for a contact in all sessions of the user, at most `CANCELLED_MAX`; nothing left: no events.

    The caller stores the events in the same transaction, and asks again while there are any.
    """
    events: list[Event] = []
    names = to_json(names_of(connection, user_key, chat_id))
    for session_id in sessions_of(connection, user_key):
        rows = connection.execute(_WAITING, (session_id, names, CANCELLED_MAX - len(events))).fetchall()
        for (message_id,) in rows:
            events += _cancel(connection, MessageId(message_id), at)
    return events


def has_waiting(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> bool:
    """Tell whether something waits for a contact in any session of the user."""
    names = to_json(names_of(connection, user_key, chat_id))
    sessions = sessions_of(connection, user_key)
    return any(connection.execute(_WAITING, (session_id, names, 1)).fetchone() for session_id in sessions)


def cancel_unwanted(connection: sqlite3.Connection, message: Message, at: float) -> list[Event]:
    """Cancel a message whose turn has come, if whom it is for is on the list; else no events."""
    user_key, chat_id = message.origin.user_key, message.recipient.chat_id
    is_unwanted = is_person(chat_id) and is_suppressed(connection, user_key, chat_id)
    return _cancel(connection, message.message_id, at) if is_unwanted else []


def _cancel(connection: sqlite3.Connection, message_id: MessageId, at: float) -> list[Event]:
    step = Move(to=MessageStatus.CANCELLED, at=at, error=_CANCELLED, by_us=True)
    moved = move(connection, message_id, step)
    return [*moved.events] if moved else []


_WAITING = """
    SELECT message_id FROM message INDEXED BY message_waiting_for
    WHERE session_id = ? AND chat_id IN (SELECT value FROM json_each(?)) AND status = 'queued'
        AND batch_id NOT IN (SELECT batch_id FROM batch WHERE ended_at IS NULL AND state = 'staging')
    LIMIT ?"""


def _hash(name: str) -> str:
    return hashlib.sha256(text(name).encode()).hexdigest()


def _suppression_of(row: sqlite3.Row) -> Suppression:
    return Suppression(
        name=row["name"], name_sha256=row["name_sha256"], reason=row["reason"], created_at=row["created_at"]
    )
