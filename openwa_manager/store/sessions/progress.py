"""What nearly every event of an engine changes of its session, and nothing else: when something was last seen of it."""

import dataclasses
import sqlite3
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from openwa_manager.domain.delivery.events import Event, StoredEvent
from openwa_manager.domain.session.session import Session
from openwa_manager.store.delivery import outbox
from openwa_manager.store.sessions import engine_events
from openwa_manager.store.sessions.engine_events import EngineKey

_PROGRESS = ("updated_at", "last_seen_at")
_SAVE = "UPDATE session SET updated_at = ?, last_seen_at = ? WHERE session_id = ?"
_all_but_progress = attrgetter(*(each.name for each in dataclasses.fields(Session) if each.name not in _PROGRESS))


class SessionProgress(NamedTuple):
    """A session that has gone on, the keys of what its engine posted, and the events that tell of it."""

    session: Session
    keys: Sequence[str]
    events: Sequence[Event]


def is_progress(saved: Session | None, session: Session) -> bool:
    """Tell whether nothing else is to be written of a session, given what is on disk (None: unknown)."""
    return saved is not None and _all_but_progress(saved) == _all_but_progress(session)


def save(connection: sqlite3.Connection, sessions: Sequence[Session]) -> None:
    """Write how far these sessions are."""
    connection.executemany(_SAVE, [(each.updated_at, each.last_seen_at, each.session_id) for each in sessions])


def record(connection: sqlite3.Connection, gone_on: Sequence[SessionProgress]) -> list[list[StoredEvent]]:
    """Record what became of different sessions, and return the events of each as stored.

    Raises:
        RepeatedError: some keys are known already; the transaction must be given up.
    """
    keys = [EngineKey(each.session.session_id, key, each.session.updated_at) for each in gone_on for key in each.keys]
    engine_events.remember(connection, keys)
    save(connection, [each.session for each in gone_on])
    return outbox.append_each(connection, [each.events for each in gone_on])
