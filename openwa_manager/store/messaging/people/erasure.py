"""All that is kept of one person, for a user: to be shown, or to be forgotten."""

import sqlite3
from collections.abc import Sequence

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import (
    FINAL,
    Message,
    MessageError,
    MessageId,
    MessageStatus,
    Move,
    UserKey,
)
from openwa_manager.domain.messaging.recipients import digits_of
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import query, to_json
from openwa_manager.store.messaging.moves import move
from openwa_manager.store.messaging.people import aliases, checks, suppressions
from openwa_manager.store.messaging.rows import VISIBLE, message_of
from openwa_manager.store.messaging.upkeep.retention import remove_messages

#: How many messages are read, called off or removed in one go.
SLICE = 100
_ERASED = MessageError(code=EndCode.ERASED, detail=ENDS[EndCode.ERASED])


def read_messages_with(
    connection: sqlite3.Connection, user_key: UserKey, chat_id: str, after: int = 0
) -> list[Message]:
    """Return messages of the user's sessions to a person, oldest first, later than seq `after`, at most `SLICE`.

    Those of sessions that are gone are among them.
    """
    names = to_json(aliases.names_of(connection, user_key, chat_id))
    sql = f"{_MESSAGES} AND {VISIBLE} AND seq > ? ORDER BY seq LIMIT ?"
    return [message_of(row) for row in query(connection, sql, (names, user_key, after, SLICE))]


#: Which sessions have had messages is read from the tally: there is no index of messages by user.
_MESSAGES = """
    SELECT message.* FROM (SELECT DISTINCT session_id FROM message_tally) AS found
    CROSS JOIN json_each(?) AS name
    CROSS JOIN message INDEXED BY message_by_chat
        ON message.session_id = found.session_id AND message.chat_id = name.value
    WHERE message.user_key = ?"""


def call_off(connection: sqlite3.Connection, user_key: UserKey, chat_id: str, at: float) -> list[Event]:
    """Call off messages that wait for a person; return the events of at most `SLICE` of them."""
    names = to_json(aliases.names_of(connection, user_key, chat_id))
    sql = f"{_MESSAGES} AND {VISIBLE} AND status = 'queued' LIMIT ?"
    events = list[Event]()
    for row in query(connection, sql, (names, user_key, SLICE)).fetchall():
        step = Move(to=MessageStatus.CANCELLED, at=at, error=_ERASED, by_us=True)
        moved = move(connection, MessageId(row["message_id"]), step)
        events += moved.events if moved else ()
    return events


def remove_ended(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> int:
    """Remove messages to a person that have ended, at most `SLICE`; return how many."""
    names = to_json(aliases.names_of(connection, user_key, chat_id))
    sql = f"{_MESSAGES} AND status IN (SELECT value FROM json_each(?)) LIMIT ?"  # noqa: S608 (our words)
    rows = query(connection, sql, (names, user_key, to_json(sorted(FINAL)), SLICE)).fetchall()
    return remove_messages(connection, [row["seq"] for row in rows])


def count_left(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> int:
    """Return how many messages to a person are left: those that are just being sent."""
    names = to_json(aliases.names_of(connection, user_key, chat_id))
    (count,) = connection.execute(f"SELECT count(*) FROM ({_MESSAGES} AND {VISIBLE})", (names, user_key)).fetchone()  # noqa: S608 (our words)
    return int(count)


def known_in(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> list[tuple[SessionId, float]]:
    """Return through which of the user's sessions a person has been written with, and since when (wall time)."""
    names = to_json(aliases.names_of(connection, user_key, chat_id))
    sql = """
        SELECT min(known_at) FROM contact
        WHERE session_id = ? AND chat_id IN (SELECT value FROM json_each(?))"""
    found = list[tuple[SessionId, float]]()
    for session_id in aliases.sessions_of(connection, user_key):
        (known_at,) = connection.execute(sql, (session_id, names)).fetchone()
        if known_at is not None:
            found.append((session_id, known_at))
    return found


def forget_person(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> None:
    """Forget a person but for messages: that he is known, whether he is on WhatsApp, what his names are.

    If he is on the list of those whom nobody writes to, the hashes of his names stay on it.
    """
    names = aliases.names_of(connection, user_key, chat_id)
    sql = "DELETE FROM contact WHERE session_id = ? AND chat_id IN (SELECT value FROM json_each(?))"
    for session_id in aliases.sessions_of(connection, user_key):
        connection.execute(sql, (session_id, to_json(names)))
        for digits in _numbers(names):
            checks.forget_check(connection, session_id, digits)
    suppressions.erase_name(connection, user_key, chat_id)
    aliases.forget_names(connection, user_key, chat_id)


def _numbers(names: Sequence[str]) -> list[str]:
    return [digits for name in names if (digits := digits_of(name)) is not None]
