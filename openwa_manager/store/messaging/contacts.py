"""Whom a session knows: the chats in which somebody has written through it."""

import sqlite3
from collections.abc import Iterable, Sequence

from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import text, to_json

#: How many chats are forgotten, or messages changed, in one write: other writes wait meanwhile.
SLICE = 250


def is_known(connection: sqlite3.Connection, session_id: SessionId, chat_id: str) -> bool:
    """Tell whether somebody has written in this chat through this session."""
    sql = "SELECT 1 FROM contact WHERE session_id = ? AND chat_id = ?"
    return connection.execute(sql, (session_id, text(chat_id))).fetchone() is not None


def known_among(connection: sqlite3.Connection, session_id: SessionId, chat_ids: Sequence[str]) -> set[str]:
    """Return those of the chats, some hundreds at most, in which somebody has written through this session."""
    sql = "SELECT chat_id FROM contact WHERE session_id = ? AND chat_id IN (SELECT value FROM json_each(?))"
    return {chat_id for (chat_id,) in connection.execute(sql, (session_id, to_json(list(chat_ids))))}


def note_known(connection: sqlite3.Connection, session_id: SessionId, chat_id: str, at: float) -> bool:
    """Note that somebody has written in this chat; what waits for it is no first contact any more.

    Of what waits at most `SLICE` are changed, the others when next somebody writes there. Return False when it was
    known.
    """
    sql = "INSERT OR IGNORE INTO contact (session_id, chat_id, known_at) VALUES (?, ?, ?)"
    is_new = connection.execute(sql, (session_id, text(chat_id), at)).rowcount > 0
    sql = """
        UPDATE message SET is_first_contact = 0 WHERE seq IN (
            SELECT seq FROM message INDEXED BY message_waiting_for
            WHERE session_id = ? AND chat_id = ? AND status = 'queued' AND is_first_contact = 1 LIMIT ?)"""
    connection.execute(sql, (session_id, text(chat_id), SLICE))
    return is_new


def note_all_known(connection: sqlite3.Connection, session_id: SessionId, chat_ids: Iterable[str], at: float) -> None:
    """Note that these chats are known, as an engine's list of chats tells."""
    for chat_id in chat_ids:
        note_known(connection, session_id, chat_id, at)


def forget_some(connection: sqlite3.Connection, session_id: SessionId) -> bool:
    """Forget whom the session knows, a slice at a time: its number is another one. Return False once all is forgotten.

    What waits for people is for first contacts again.
    """
    forgotten = connection.execute(_FORGET, (session_id, session_id, SLICE)).rowcount
    changed = connection.execute(_BE_FIRST, (session_id, SLICE)).rowcount
    return max(forgotten, changed) >= SLICE


_FORGET = """
    DELETE FROM contact WHERE session_id = ? AND chat_id IN (
        SELECT chat_id FROM contact WHERE session_id = ? LIMIT ?)"""
_BE_FIRST = """
    UPDATE message SET is_first_contact = 1 WHERE seq IN (
        SELECT seq FROM message INDEXED BY message_waiting_for
        WHERE session_id = ? AND status = 'queued' AND is_first_contact = 0
            AND (chat_id LIKE '%@c.us' OR chat_id LIKE '%@lid') LIMIT ?)"""
