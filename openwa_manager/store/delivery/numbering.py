"""The numbers of a session's events: given out by its row, in the transaction that stores the events."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from openwa_manager.domain.delivery.events import UNNUMBERED, Event
from openwa_manager.domain.session.session import SessionId

# Whoever owns a piece of a session's state writes its change and the events of it in one transaction, and asks nobody
# else for a number. The session's row is the only place that knows the last one. There is one writer, and a transaction
# that is taken back gives its numbers back too: so there is never a gap, nor a number twice.


@dataclass(slots=True)
class _SessionRow:
    """What a session's row has for its next events; `last` is the last number that was given out."""

    last: int
    launch: int
    user_id: str | None

    def give_to(self, event: Event) -> Event:
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
    wanting = [
        None if event.type in UNNUMBERED or event.session_seq is not None else event.session_id for event in events
    ]
    rows = _read(connection, dict.fromkeys(each for each in wanting if each is not None))
    numbered: list[Event] = []
    for event, session_id in zip(events, wanting, strict=True):
        row = None if session_id is None else rows.get(session_id)
        numbered.append(event if row is None else row.give_to(event))
    used = [(row.last, session_id) for session_id, row in rows.items()]
    connection.executemany("UPDATE session SET event_seq = ? WHERE session_id = ?", used)
    return numbered


_READ = "SELECT session_id, event_seq, launch_count, user_id FROM session WHERE session_id IN"


def _read(connection: sqlite3.Connection, session_ids: Collection[SessionId]) -> dict[SessionId, _SessionRow]:
    """Return the rows there are of these sessions, by one statement: each of them waits for the interpreter's lock."""
    if not session_ids:
        return {}
    # Reading and then writing takes three quarters of the time of one UPDATE … RETURNING.
    places = ", ".join("?" * len(session_ids))
    sql = f"{_READ} ({places})"
    return {SessionId(session_id): _SessionRow(*row) for session_id, *row in connection.execute(sql, list(session_ids))}
