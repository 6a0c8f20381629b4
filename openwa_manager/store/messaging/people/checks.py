"""Whether numbers are on WhatsApp, as engines have said: of each session apart, for it tells whom one asks about."""

import sqlite3
from collections.abc import Sequence

from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import text, to_json

#: How long an answer holds: a yes, and a no.
YES_S = 7 * 86_400.0
NO_S = 86_400.0
#: How many answers one write looks at and forgets at most: other writes wait meanwhile.
SLICE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCheck:
    """What a session's engine said of a number at wall time `checked_at`; `chat_id` None: it is not on WhatsApp."""

    session_id: SessionId
    digits: str
    chat_id: str | None
    checked_at: float


def find_check(
    connection: sqlite3.Connection, sessions: Sequence[SessionId], digits: str, at: float
) -> NumberCheck | None:
    """Return what was last said of a number to one of these sessions, if that still holds at wall time `at`."""
    sql = """
        SELECT session_id, chat_id, checked_at FROM number_check
        WHERE session_id IN (SELECT value FROM json_each(?)) AND digits = ?
            AND checked_at <= ? AND checked_at > CASE WHEN chat_id IS NULL THEN ? ELSE ? END
        ORDER BY checked_at DESC LIMIT 1"""
    row = connection.execute(sql, (to_json(list(sessions)), digits, at, at - NO_S, at - YES_S)).fetchone()
    if row is None:
        return None
    return NumberCheck(session_id=SessionId(row[0]), digits=digits, chat_id=row[1], checked_at=row[2])


def note_check(connection: sqlite3.Connection, check: NumberCheck) -> None:
    """Note what an engine has said."""
    sql = "INSERT OR REPLACE INTO number_check (session_id, digits, chat_id, checked_at) VALUES (?, ?, ?, ?)"
    chat_id = None if check.chat_id is None else text(check.chat_id)
    connection.execute(sql, (check.session_id, check.digits, chat_id, check.checked_at))


def forget_check(connection: sqlite3.Connection, session_id: SessionId, digits: str) -> None:
    """Forget what was said of a number to a session."""
    connection.execute("DELETE FROM number_check WHERE session_id = ? AND digits = ?", (session_id, digits))


#: Before all answers.
FIRST_PLACE = ("", "")


def forget_old(
    connection: sqlite3.Connection, at: float, behind: tuple[str, str] = FIRST_PLACE
) -> tuple[str, str] | None:
    """Forget those of some answers behind a place (session and digits) that hold no longer at wall time `at`.

    Return the place to go on behind; None when all were looked at.
    """
    rows = connection.execute(_NEXT, (*behind, SLICE)).fetchall()
    old = [
        (session_id, digits)
        for session_id, digits, is_yes, checked_at in rows
        if checked_at < at - (YES_S if is_yes else NO_S)
    ]
    connection.executemany("DELETE FROM number_check WHERE session_id = ? AND digits = ?", old)
    return (rows[-1][0], rows[-1][1]) if len(rows) == SLICE else None


_NEXT = """
    SELECT session_id, digits, chat_id IS NOT NULL, checked_at FROM number_check
    WHERE (session_id, digits) > (?, ?) ORDER BY session_id, digits LIMIT ?"""
