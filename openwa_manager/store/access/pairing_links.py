"""Pairing links on disk; one that has ended is kept for a day, so that it can be told what became of it."""

import sqlite3
from typing import Final

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.pairing_links import LinkId, PairingLink
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import query, text

#: How long a link is kept after its end.
KEPT_S: Final = 86_400.0

_ADD = """
    INSERT INTO pairing_link
        (link_id, token_sha256, session_id, phone_number, created_at, created_by, key_id, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


def add_link(connection: sqlite3.Connection, link: PairingLink) -> None:
    """Record a new link, and forget those that ended long before it was made."""
    connection.execute("DELETE FROM pairing_link WHERE ifnull(ended_at, expires_at) < ?", (link.created_at - KEPT_S,))
    connection.execute(
        _ADD,
        (
            link.link_id,
            link.token_sha256,
            link.session_id,
            link.phone_number,
            link.created_at,
            text(link.created_by),
            link.key_id,
            link.expires_at,
        ),
    )


def bind_link(connection: sqlite3.Connection, link_id: LinkId, browser_sha256: bytes) -> None:
    """Record which browser a link belongs to from now on."""
    connection.execute("UPDATE pairing_link SET browser_sha256 = ? WHERE link_id = ?", (browser_sha256, link_id))


def count_code(connection: sqlite3.Connection, link_id: LinkId) -> None:
    """Record that a code to type in is being asked for."""
    connection.execute("UPDATE pairing_link SET code_count = code_count + 1 WHERE link_id = ?", (link_id,))


def end_link(connection: sqlite3.Connection, link_id: LinkId, at: float) -> None:
    """Record that a link does not hold any more."""
    connection.execute("UPDATE pairing_link SET ended_at = ? WHERE link_id = ? AND ended_at IS NULL", (at, link_id))


def end_all(connection: sqlite3.Connection, at: float) -> None:
    """Record that no link holds any more."""
    connection.execute("UPDATE pairing_link SET ended_at = ? WHERE ended_at IS NULL", (at,))


def load_links(connection: sqlite3.Connection) -> list[PairingLink]:
    """Return the links that nothing but time can have ended, oldest first."""
    rows = query(connection, "SELECT * FROM pairing_link WHERE ended_at IS NULL ORDER BY created_at, link_id")
    return [_link_of(row) for row in rows]


def _link_of(row: sqlite3.Row) -> PairingLink:
    return PairingLink(
        link_id=LinkId(row["link_id"]),
        token_sha256=row["token_sha256"],
        browser_sha256=row["browser_sha256"],
        session_id=SessionId(row["session_id"]),
        phone_number=row["phone_number"],
        code_count=row["code_count"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        key_id=None if row["key_id"] is None else KeyId(row["key_id"]),
        expires_at=row["expires_at"],
    )
