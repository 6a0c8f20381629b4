import asyncio
import dataclasses
import sqlite3
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import StoredEvent
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import read_events
from openwa_manager.store.sessions.engine_events import RepeatedError
from openwa_manager.store.sessions.progress import SessionProgress, is_progress, record
from openwa_manager.store.sessions.registry import load_sessions, save_session
from tests.store.delivery.samples import an_endpoint, an_event, states
from tests.store.sessions.test_registry import a_launch, a_session

NAMES = [SessionId(name) for name in "abc"]


def progress(name: SessionId, *keys: str) -> SessionProgress:
    """Return what the session comes to when its engine posts an event for each key."""
    events = [an_event("message.received", session=name) for _ in keys]
    return SessionProgress(a_session(name, updated_at=7.0, last_seen_at=6.0), keys, events)


def make_sessions(connection: sqlite3.Connection) -> None:
    for name in NAMES:
        save_session(connection, a_session(name), [], [])


def test_what_became_of_many_sessions_is_recorded_as_of_each(connection: sqlite3.Connection) -> None:
    make_sessions(connection)
    save_endpoint(connection, an_endpoint())

    told = record(connection, [progress(NAMES[0], "1", "2"), progress(NAMES[1]), progress(NAMES[2], "1")])

    numbers = [[(each.event.session_id, each.event.session_seq) for each in events] for events in told]
    assert numbers == [[("a", 1), ("a", 2)], [], [("c", 1)]]
    assert [event for events in told for event in events] == read_events(connection).events
    assert [each.updated_at for each in load_sessions(connection)] == [7.0] * 3
    assert states(connection) == [(1, "pending"), (2, "pending"), (3, "pending")]


def test_many_sessions_take_no_more_statements_than_one_but_for_their_rows(connection: sqlite3.Connection) -> None:
    make_sessions(connection)
    save_endpoint(connection, an_endpoint())
    statements: dict[str, None] = {}  # each trigger names its statement again
    connection.set_trace_callback(statements.setdefault)

    record(connection, [progress(NAMES[0], "1")])
    of_one = len(statements)
    statements.clear()
    record(connection, [progress(name, "2", "3") for name in NAMES])

    rows = len([sql for sql in statements if sql.startswith("UPDATE session")])
    assert rows == 2 * len(NAMES)
    assert len(statements) - rows == of_one - 2


async def test_a_repeat_is_refused_to_the_one_that_repeats(tmp_path: Path) -> None:
    async def ask(database: Database, gone_on: SessionProgress) -> list[StoredEvent] | set[str]:
        try:
            return await database.write_together(record, gone_on)
        except RepeatedError as error:
            return error.keys

    async with Database(tmp_path / "manager.db") as database:
        await database.write(make_sessions)
        await database.write_together(record, progress(NAMES[1], "known"))
        async with asyncio.TaskGroup() as tasks:
            asked = [progress(NAMES[0], "known"), progress(NAMES[1], "known", "new"), progress(NAMES[2], "new")]
            first, second, third = [tasks.create_task(ask(database, each)) for each in asked]
        told = await database.read(read_events)

    assert second.result() == {"known"}
    assert [each.result() for each in (first, third)] == [[event] for event in told.events[1:]]


@pytest.mark.parametrize("field", [each.name for each in dataclasses.fields(a_session())])
def test_only_how_far_a_session_is_is_progress(field: str) -> None:
    session = a_session(launch=a_launch("l"))
    changed = dataclasses.replace(session, **{field: object()})  # type: ignore[arg-type]  # whatever it may be

    assert is_progress(session, session)
    assert is_progress(session, changed) == (field in ("updated_at", "last_seen_at"))
    assert not is_progress(None, session)
