import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwa_manager.domain.delivery.event_filter import EventFilter
from openwa_manager.domain.delivery.events import UNNUMBERED, Event, StoredEvent
from openwa_manager.domain.session.session import Session, SessionId, Spec
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.enrichment import HOOKS
from openwa_manager.store.delivery.outbox import append, read_events
from openwa_manager.store.sessions.registry import remove_session, save_session
from tests.store.delivery.samples import NOW, an_event


def a_session(name: str = "a") -> Session:
    spec = Spec(engine="simulator", user_id=f"user of {name}")
    return Session(
        session_id=SessionId(name), spec=spec, engine_key="k", launch_count=3, created_at=NOW, updated_at=NOW
    )


def add_sessions(connection: sqlite3.Connection, names: str = "ab") -> None:
    for name in names:
        save_session(connection, a_session(name), [], [])


def numbers(stored: Sequence[StoredEvent]) -> list[tuple[str | None, int | None]]:
    return [(each.event.session_id, each.event.session_seq) for each in stored]


def test_the_events_of_each_session_are_numbered_from_one_in_their_order(connection: sqlite3.Connection) -> None:
    add_sessions(connection)

    first = append(connection, [an_event(session=each) for each in "abaab"])
    second = append(connection, [an_event(session=each) for each in "ba"])

    assert numbers(first) == [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)]
    assert numbers(second) == [("b", 3), ("a", 4)]
    assert read_events(connection).events == [*first, *second]


@pytest.mark.parametrize("kind", sorted(UNNUMBERED))
def test_what_is_unnumbered_takes_no_number(connection: sqlite3.Connection, kind: str) -> None:
    add_sessions(connection)

    stored = append(connection, [an_event(), an_event(kind), an_event(session=None), an_event(kind, "b"), an_event()])

    assert [each.event.session_seq for each in stored if each.event.type == "session.status"] == [1, None, 2]
    assert {each.event.session_seq for each in stored if each.event.type == kind} <= {None}


def test_an_event_gets_the_launch_and_the_user_that_it_lacks(connection: sqlite3.Connection) -> None:
    add_sessions(connection)
    known = replace(an_event(), launch=2, user_id="former")

    (bare, whole) = append(connection, [an_event(), known])

    assert bare.event == replace(an_event(), session_seq=1, launch=3, user_id="user of a")
    assert whole.event == replace(known, session_seq=2)


def test_a_number_that_an_event_has_stays_and_none_is_taken(connection: sqlite3.Connection) -> None:
    add_sessions(connection)

    stored = append(connection, [replace(an_event(), session_seq=9), an_event()])

    assert numbers(stored) == [("a", 9), ("a", 1)]


def test_the_events_of_a_session_nobody_knows_have_no_number(connection: sqlite3.Connection) -> None:
    add_sessions(connection)

    stored = append(connection, [an_event(session="x"), an_event()])

    assert numbers(stored) == [("x", None), ("a", 1)]
    assert stored[0].event == an_event(session="x")


def test_no_save_of_a_session_touches_its_numbers(connection: sqlite3.Connection) -> None:
    session = a_session()
    save_session(connection, session, [], [an_event()])
    append(connection, [an_event()])

    later = replace(session, updated_at=NOW + 1)
    save_session(connection, later, [], [], session)
    save_session(connection, replace(later, phone_number="85212345678"), [], [], later)

    assert numbers(append(connection, [an_event()])) == [("a", 3)]


def test_a_session_that_is_made_again_begins_with_one(connection: sqlite3.Connection) -> None:
    last = save_session(connection, a_session(), [], [an_event(), an_event("session.deleted")])
    remove_session(connection, SessionId("a"))

    after = append(connection, [an_event()])
    again = save_session(connection, a_session(), [], [an_event()])

    assert numbers([*last, *after, *again]) == [("a", 1), ("a", 2), ("a", None), ("a", 1)]


def test_hooks_change_add_and_leave_out_events_before_they_are_numbered(connection: sqlite3.Connection) -> None:
    add_sessions(connection)
    hooks = {
        "dropped": lambda _, __: (),
        "changed": lambda _, event: (replace(event, data={"known": True}),),
        "framed": lambda _, event: (replace(event, type="before"), event, replace(event, type="behind")),
    }

    stored = append(
        connection, [an_event(kind) for kind in ("dropped", "changed", "framed", "dropped", "plain")], hooks=hooks
    )

    told = [(each.event.type, each.event.session_seq) for each in stored]
    assert told == [("changed", 1), ("before", 2), ("framed", 3), ("behind", 4), ("plain", 5)]
    assert stored[0].event.data == {"known": True}
    assert append(connection, [an_event("dropped")], hooks=hooks) == []


def test_what_a_hook_writes_is_seen_by_the_next(connection: sqlite3.Connection) -> None:
    add_sessions(connection)

    def once(connection: sqlite3.Connection, event: Event) -> Sequence[Event]:
        sql = "INSERT OR IGNORE INTO engine_event VALUES (?, 'told', 0)"
        return (event,) if connection.execute(sql, (event.session_id,)).rowcount else ()

    stored = append(
        connection, [an_event(), an_event(), an_event(session="b")], hooks={**HOOKS, "session.status": once}
    )

    assert numbers(stored) == [("a", 1), ("b", 1)]


calls = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("abx"), st.sampled_from(["session.status", "session.qr"])), max_size=6),
        st.booleans(),
    ),
    max_size=12,
)


@given(calls=calls)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_is_no_gap_whatever_is_taken_back(
    connection: sqlite3.Connection, calls: list[tuple[list[tuple[str, str]], bool]]
) -> None:
    connection.execute("DELETE FROM session")
    connection.execute("DELETE FROM event")
    add_sessions(connection)

    for told, is_taken_back in calls:
        connection.execute("SAVEPOINT one")
        append(connection, [an_event(kind, session) for session, kind in told])
        if is_taken_back:
            connection.execute("ROLLBACK TO one")
        connection.execute("RELEASE one")

    for name in "ab":
        given = [
            each.event.session_seq
            for each in read_events(connection, limit=1000, wanted=EventFilter(session_id=SessionId(name))).events
            if each.event.type == "session.status"
        ]
        assert given == list(range(1, len(given) + 1))


async def test_there_is_no_gap_when_several_owners_write_at_once_and_some_fail(database: Database) -> None:
    async def write(number: int) -> None:
        try:
            await database.write(partial(tell, is_broken=number % 5 == 0))
        except LookupError:
            failures.append(number)

    def tell(connection: Connection, *, is_broken: bool) -> None:
        append(connection, [an_event(session=each) for each in "aba"])
        if is_broken:
            raise LookupError("a bug of whoever writes")

    failures: list[int] = []
    await database.write(add_sessions)

    async with asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(write(number))

    stored = await database.read(lambda connection: read_events(connection, limit=1000).events)
    assert len(failures) == 40
    for name, count in Counter({"a": 320, "b": 160}).items():
        assert [number for session, number in numbers(stored) if session == name] == list(range(1, count + 1))
