"""The names of people: a number, `@c.us` and `@lid` of one contact are one, once an engine has told that they are."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from openwa_manager.domain.messaging.messages import UserKey
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import text, to_json

_OF_SESSION: Final = "session:"
_OF_USER: Final = "user:"


def canonical(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> str:
    """Return the one name by which the contact of this chat is compared with others."""
    return _contact_of(connection, user_key, chat_id) or chat_id


def canonical_among(connection: sqlite3.Connection, user_key: UserKey, chat_ids: Sequence[str]) -> dict[str, str]:
    """Return by chat, of some hundreds at most, the name its contact is compared by, where that is another one."""
    sql = """
        SELECT name, contact FROM contact_alias
        WHERE user_key = ? AND name IN (SELECT value FROM json_each(?)) AND name <> contact"""
    return dict(connection.execute(sql, (user_key, to_json(list(chat_ids)))).fetchall())


def names_of(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> list[str]:
    """Return all names of the contact of this chat; the canonical one first."""
    contact = _contact_of(connection, user_key, chat_id)
    if contact is None:
        return [chat_id]
    sql = "SELECT name FROM contact_alias WHERE user_key = ? AND contact = ? ORDER BY name <> contact, name"
    return [str(name) for (name,) in connection.execute(sql, (user_key, contact))]


def _contact_of(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> str | None:
    sql = "SELECT contact FROM contact_alias WHERE user_key = ? AND name = ?"
    row = connection.execute(sql, (user_key, text(chat_id))).fetchone()
    return None if row is None else str(row[0])


def join(connection: sqlite3.Connection, user_key: UserKey, contact: str, names: list[str]) -> None:
    """Note that all these are names of one contact, `contact` being the canonical one."""
    sql = "INSERT OR REPLACE INTO contact_alias (user_key, name, contact) VALUES (?, ?, ?)"
    connection.executemany(sql, [(user_key, text(name), text(contact)) for name in names])


def forget_names(connection: sqlite3.Connection, user_key: UserKey, chat_id: str) -> None:
    """Forget that the names of this contact are one person's."""
    contact = canonical(connection, user_key, chat_id)
    connection.execute("DELETE FROM contact_alias WHERE user_key = ? AND contact = ?", (user_key, text(contact)))


def sessions_of(connection: sqlite3.Connection, user_key: UserKey) -> list[SessionId]:
    """Return the sessions that share this key: all of a user, or the one that has none."""
    if user_key.startswith(_OF_SESSION):
        return [SessionId(user_key.removeprefix(_OF_SESSION))]
    sql = "SELECT session_id FROM session WHERE user_id = ?"
    rows = connection.execute(sql, (user_key.removeprefix(_OF_USER),))
    return [SessionId(session_id) for (session_id,) in rows]
