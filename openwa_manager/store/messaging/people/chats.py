"""Whom an account had written with before its session was ours, as the engine's list of chats tells."""

import sqlite3
from collections.abc import Iterable

from openwa_manager.domain.messaging.messages import user_key_of
from openwa_manager.domain.messaging.recipients import is_person, seen_chat_id
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import text
from openwa_manager.store.messaging import contacts
from openwa_manager.store.messaging.people.aliases import names_of


def is_list_known(connection: sqlite3.Connection, session_id: SessionId) -> bool:
    """Tell whether the list of the number that the session is linked with has been taken in."""
    sql = "SELECT 1 FROM queue WHERE session_id = ? AND chats_known_at IS NOT NULL"
    return connection.execute(sql, (session_id,)).fetchone() is not None


def is_linked_as(connection: sqlite3.Connection, session_id: SessionId, phone_number: str | None) -> bool:
    """Tell whether it is noted that this is the session's number; what was known of another one is forgotten then."""
    sql = "SELECT 1 FROM queue WHERE session_id = ? AND linked_number = ?"
    if phone_number is None:
        return False
    return connection.execute(sql, (session_id, text(phone_number))).fetchone() is not None


def note_listed(
    connection: sqlite3.Connection, session_id: SessionId, user_id: str | None, chat_ids: Iterable[str], at: float
) -> None:
    """Note that the people in these chats are known; a few hundred at a time, for other writes wait meanwhile."""
    user_key = user_key_of(session_id, user_id)
    for each in chat_ids:
        chat_id = seen_chat_id(each)
        if chat_id is not None and is_person(chat_id):
            contacts.note_all_known(connection, session_id, names_of(connection, user_key, chat_id), at)


def note_list_known(connection: sqlite3.Connection, session_id: SessionId, at: float) -> None:
    """Note that the whole list has been taken in."""
    sql = """
        INSERT INTO queue (session_id, chats_known_at) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET chats_known_at = excluded.chats_known_at"""
    connection.execute(sql, (session_id, at))
