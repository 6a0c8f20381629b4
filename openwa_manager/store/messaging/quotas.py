"""How much a user may send in a month, and how much of it is taken: reserved when it is accepted, booked when sent."""

import sqlite3
from collections.abc import Mapping

from openwa_manager.domain.messaging.messages import STANDINGS, MessageStatus, Standing, UserKey
from openwa_manager.domain.values import dataclass

_COLUMNS: Mapping[Standing, str] = {Standing.RESERVED: "reserved_count", Standing.BOOKED: "used_count"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """What a user has taken of a month; `limit` None: as much as is wanted."""

    limit: int | None
    used_count: int
    reserved_count: int

    @property
    def left(self) -> int | None:
        """Return how many more may be accepted; None: any number."""
        return None if self.limit is None else max(0, self.limit - self.used_count - self.reserved_count)


def read_quota(connection: sqlite3.Connection, user_key: UserKey, month: str) -> QuotaUse:
    """Return what the user has taken of this month."""
    limit = connection.execute("SELECT messages_limit FROM quota WHERE user_key = ?", (user_key,)).fetchone()
    taken = connection.execute(
        "SELECT used_count, reserved_count FROM quota_month WHERE user_key = ? AND month = ?", (user_key, month)
    ).fetchone()
    used_count, reserved_count = taken or (0, 0)
    return QuotaUse(limit=limit[0] if limit else None, used_count=used_count, reserved_count=reserved_count)


def set_limit(connection: sqlite3.Connection, user_key: UserKey, limit: int | None) -> None:
    """Set how much the user may send in a month; None takes the limit away. What is accepted already stays so."""
    if limit is None:
        connection.execute("DELETE FROM quota WHERE user_key = ?", (user_key,))
    else:
        connection.execute("INSERT OR REPLACE INTO quota VALUES (?, ?)", (user_key, limit))


def reserve(connection: sqlite3.Connection, user_key: UserKey, month: str, wanted_count: int) -> int:
    """Reserve for as many messages as the quota allows, in this month, and return for how many that is."""
    left = read_quota(connection, user_key, month).left
    granted_count = wanted_count if left is None else min(wanted_count, left)
    _add(connection, user_key, month, "reserved_count", granted_count)
    return granted_count


def give_back(connection: sqlite3.Connection, user_key: UserKey, month: str, count: int) -> None:
    """Take back a reservation for messages that will not be."""
    _add(connection, user_key, month, "reserved_count", -count)


def shift(
    connection: sqlite3.Connection, user_key: UserKey, month: str, before: MessageStatus, after: MessageStatus
) -> None:
    """Book or give back what a message's step from one state to another means for its month."""
    was, now = STANDINGS[before], STANDINGS[after]
    if was is now:
        return
    for standing, change in ((was, -1), (now, 1)):
        if standing in _COLUMNS:
            _add(connection, user_key, month, _COLUMNS[standing], change)


def _add(connection: sqlite3.Connection, user_key: UserKey, month: str, column: str, change: int) -> None:
    if change:
        connection.execute("INSERT OR IGNORE INTO quota_month (user_key, month) VALUES (?, ?)", (user_key, month))
        connection.execute(
            f"UPDATE quota_month SET {column} = {column} + ? WHERE user_key = ? AND month = ?",  # noqa: S608 (our words)
            (change, user_key, month),
        )
