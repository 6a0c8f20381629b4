"""The numbers of a session's events: given out by its row, in the transaction that stores the events."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from openwa_manager.domain.delivery.events import UNNUMBERED, Event
from openwa_manager.domain.session.session import SessionId

# Whoever owns a piece of a session's state writes its change and the events of it in one transaction, and asks nobody
# else for a number. The session's row is the only place that knows the last one. There is one writer, and a transaction
# that is taken back gives its numbers back too: so there is never a gap, nor a number twice.


@dataclass(slots=True)
class _Given:
    """What a session gives its next events; `last` is the last number that was given out."""

    last: int
    launch: int
    user_id: str | None

    def to(self, event: Event) -> Event:
        """Return the event with the next number, and with the launch and the user that it lacks."""
        self.last += 1
        launch = self.launch if event.launch is None else event.launch
        user_id = self.user_id if event.user_id is None else event.user_id
        return replace(event, session_seq=self.last, launch=launch, user_id=user_id)


def number(connection: sqlite3.Connection, events: Sequence[Event]) -> list[Event]:
    """Return the events, those of sessions with their numbers, and with the launch and the user that they lack.

    An event that has a number keeps it and takes none. Those in UNNUMBERED, those of the daemon, and those of a session
    that has no row stay as they are.
    """
    counts = Counter(session_id for event in events if (session_id := _taker_of(event)) is not None)
    given: dict[SessionId | None, _Given | None] = {}
    for session_id, count in counts.items():
        given[session_id] = _take(connection, session_id, count)
    return [taken.to(event) if (taken := given.get(_taker_of(event))) else event for event in events]


def _taker_of(event: Event) -> SessionId | None:
    """Return the session of which the event takes a number; None when it takes none."""
    return event.session_id if event.session_seq is None and event.type not in UNNUMBERED else None


def _take(connection: sqlite3.Connection, session_id: SessionId, count: int) -> _Given | None:
    """Take the session's next `count` numbers; None when it has no row."""
    row = connection.execute(_TAKE, (count, session_id)).fetchone()
    return _Given(row[0] - count, row[1], row[2]) if row else None


_TAKE = """
    UPDATE session SET event_seq = event_seq + ? WHERE session_id = ? RETURNING event_seq, launch_count, user_id"""
