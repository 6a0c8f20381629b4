"""Finds the events since a time: of each stretch of events it is kept when the latest of them happened.

The clock may be set back, so the times of events need not rise with their seq, and no search may rely on it. What was
the latest in a stretch is true whatever the clock did (Kafka's time index is made of the same).
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

#: A stretch ends with each seq that this divides.
STRETCH = 1_000
#: So many events are looked at in one go, wanted or not: a reader of few must not keep the others waiting.
LOOKED_AT_MAX = 20_000


class LookAhead(NamedTuple):
    """A seq, and whether the event that is looked for, if there is one, comes right behind it."""

    seq: int
    is_found: bool


def note_stretches(connection: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Keep the times of the stretches that these events, which were just stored, have ended."""
    for seq in seqs:
        if seq % STRETCH == 0:
            connection.execute(_END_STRETCH, {"seq": seq})


def forget_stretches(connection: sqlite3.Connection) -> None:
    """Forget the stretches whose events are gone."""
    connection.execute("DELETE FROM event_stretch WHERE last_seq < (SELECT min(seq) FROM event)")


def look_ahead(connection: sqlite3.Connection, since: float, after: int = 0) -> LookAhead:
    """Return the seq behind which the events begin that happened at `since` (wall time) or later.

    What is behind it may be older where the clock was set back. Where the first is not found yet, go on with that seq
    as `after`; that is rare, for it takes many stretches whose latest events are gone, or one without an end.
    """
    stretches = connection.execute(_STRETCHES_SINCE, (after, since, LOOKED_AT_MAX // STRETCH)).fetchall()
    for begin, end in stretches:
        found = _first_since(connection, since, max(after, begin), end)
        if found is not None:
            return LookAhead(found - 1, is_found=True)
        after = end
    if len(stretches) == LOOKED_AT_MAX // STRETCH:
        return LookAhead(after, is_found=False)
    return _look_behind_stretches(connection, since, after)


def _look_behind_stretches(connection: sqlite3.Connection, since: float, after: int) -> LookAhead:
    """Look for it among the newest events, which no stretch has yet."""
    (end,) = connection.execute("SELECT max(last_seq) FROM event_stretch").fetchone()
    after = max(after, end or 0)
    (first,) = connection.execute("SELECT min(seq) FROM event WHERE seq > ?", (after,)).fetchone()
    if first is None:
        return LookAhead(after, is_found=True)
    until = min(2**63 - 1, int(first) + LOOKED_AT_MAX - 1)
    found = _first_since(connection, since, after, until)
    return LookAhead(until, is_found=False) if found is None else LookAhead(found - 1, is_found=True)


def _first_since(connection: sqlite3.Connection, since: float, after: int, until: int) -> int | None:
    sql = "SELECT seq FROM event WHERE seq > ? AND seq <= ? AND occurred_at >= ? ORDER BY seq LIMIT 1"
    row = connection.execute(sql, (after, until, since)).fetchone()
    return None if row is None else int(row[0])


_END_STRETCH = """
    INSERT INTO event_stretch SELECT :seq, max(occurred_at) FROM event
    WHERE seq > ifnull((SELECT max(last_seq) FROM event_stretch), 0) AND seq <= :seq"""
_STRETCHES_SINCE = """
    SELECT ifnull((SELECT max(last_seq) FROM event_stretch AS former WHERE former.last_seq < stretch.last_seq), 0),
        last_seq
    FROM event_stretch AS stretch WHERE last_seq > ? AND latest_at >= ? ORDER BY last_seq LIMIT ?"""
