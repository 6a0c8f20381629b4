"""Numbers that never run backwards, although the database is restored from a copy or begun anew.

Readers of events keep the seq of the last one they have seen and ask for what came behind it. Receivers compare the
numbers of a session's events to notice a gap. A restored copy does not know how far its numbers had gone since: it
would give them out a second time, for other events, and whoever had read further would miss them all. So a database
that takes another's place begins a new epoch: its next numbers lie above all that can ever have been given out.

The epoch is part of the number. A position like `<epoch>.<seq>` beside it would be of no use to those who keep plain
integers, and would need a rule for positions of another epoch. This way every position ever given out stays true:
what comes behind it is what its reader has not seen. `manager.recovered` stands where the epoch begins.
"""

import sqlite3

from openwa_manager.store.delivery.outbox import last_seq

#: More events than one session has between two copies; they are made every hour.
_SINCE_COPY_MAX = 1_000_000
#: 2020-01-01: seconds since then fit into the 32 bits of many a receiver's column until 2088.
_NUMBERS_BEGAN_AT = 1_577_836_800


def begin_epoch(connection: sqlite3.Connection, at: float) -> None:
    """Let all numbers go on from where none has ever been; `at` is wall time.

    Positions go on at microseconds since 1970: no database stores a million events a second, so none has come so far.
    """
    seq = max(last_seq(connection) + 1, int(at * 1_000_000))
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'event'")
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?)", (seq,))
    connection.execute(
        "UPDATE session SET event_seq = max(event_seq + ?, ?)", (_SINCE_COPY_MAX, last_number_before(at))
    )
    connection.execute("PRAGMA user_version = 0")


def last_number_before(at: float) -> int:
    """Return what a session whose numbers are unknown has not reached: it had less than one event a second."""
    return max(0, int(at) - _NUMBERS_BEGAN_AT)


def mark_copy(connection: sqlite3.Connection) -> None:
    """Note in a copy that it is one, so that it is known when it takes the place of the database."""
    connection.execute("PRAGMA user_version = 1")


def is_copy(connection: sqlite3.Connection) -> bool:
    """Tell whether this database is a copy that has taken the place of another, and no epoch has begun since."""
    return bool(connection.execute("PRAGMA user_version").fetchone()[0])
