"""Whether numbers are on WhatsApp, as engines have said."""

import sqlite3
from dataclasses import dataclass

from openwa_manager.store.columns import text

#: How long an answer holds: a yes, and a no.
YES_S = 7 * 86_400.0
NO_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberCheck:
    """What an engine said of a number at wall time `checked_at`; `chat_id` None: it is not on WhatsApp."""

    digits: str
    chat_id: str | None
    checked_at: float


def find_check(connection: sqlite3.Connection, digits: str, at: float) -> NumberCheck | None:
    """Return what was said of a number, if that still holds at wall time `at`."""
    sql = """
        SELECT chat_id, checked_at FROM number_check
        WHERE digits = ? AND checked_at <= ? AND checked_at > CASE WHEN chat_id IS NULL THEN ? ELSE ? END"""
    row = connection.execute(sql, (digits, at, at - NO_S, at - YES_S)).fetchone()
    return None if row is None else NumberCheck(digits=digits, chat_id=row[0], checked_at=row[1])


def note_check(connection: sqlite3.Connection, check: NumberCheck) -> None:
    """Note what an engine has said."""
    sql = "INSERT OR REPLACE INTO number_check (digits, chat_id, checked_at) VALUES (?, ?, ?)"
    connection.execute(sql, (check.digits, None if check.chat_id is None else text(check.chat_id), check.checked_at))


def forget_check(connection: sqlite3.Connection, digits: str) -> None:
    """Forget what was said of a number."""
    connection.execute("DELETE FROM number_check WHERE digits = ?", (digits,))
