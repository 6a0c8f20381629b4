import dataclasses
import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.reasons import Reason, ReasonCode
from openwa_manager.domain.session.session import (
    DataState,
    Ending,
    Identity,
    Launch,
    LaunchId,
    ProcessState,
    Qr,
    Restarts,
    Session,
    SessionId,
    Spec,
    Step,
)
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import read_events
from openwa_manager.store.sessions import engine_events
from openwa_manager.store.sessions.registry import (
    LAUNCHES_KEPT,
    STEPS_KEPT,
    load_sessions,
    read_steps,
    remove_session,
    save_session,
    step_before,
)

T = TypeVar("T")

ID = SessionId("user_1_session_a")

texts = st.text(max_size=20)
times = st.floats(0, 4e9)
counts = st.integers(0, 2**53)
pairs = st.dictionaries(texts, texts, max_size=3)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)


def every_field(kind: type[T], **chosen: st.SearchStrategy[object]) -> st.SearchStrategy[T]:
    """Draw also the fields that have a default, which `builds` leaves alone unless they are named."""
    inferred = {field.name: ... for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return st.builds(kind, **{**inferred, **chosen})  # type: ignore[arg-type]


st.register_type_strategy(float, times)
st.register_type_strategy(int, counts)
st.register_type_strategy(Identity, every_field(Identity))
#: A path is bytes to the system, and they need not be text.
names = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)
paths = names.map(lambda name: Path(os.fsdecode(name)))
data_states = every_field(DataState, databases=pairs)
launches = every_field(Launch, launch_id=st.uuids().map(str), socket=st.none() | paths, data=st.none() | data_states)
specs = every_field(Spec, labels=pairs, env=pairs)
sessions = every_field(
    Session,
    spec=specs,
    launch=st.none() | launches,
    reason=st.none() | every_field(Reason),
    ending=st.none() | every_field(Ending),
    qr=st.none() | every_field(Qr),
    restarts=every_field(Restarts),
)


def a_session(session_id: SessionId = ID, **changes: object) -> Session:
    session = Session(
        session_id=session_id, spec=Spec(engine="simulator"), engine_key="k", created_at=1.0, updated_at=2.0
    )
    return dataclasses.replace(session, **changes)  # type: ignore[arg-type]


def a_launch(name: str, number: int = 1) -> Launch:
    return Launch(
        launch_id=LaunchId(name), number=number, port=28100, secret="s", cause=ReasonCode.REQUESTED, launched_at=1.0
    )


def a_step(decision: str, **evidence: int | None) -> Step:
    return Step(session_id=ID, at=3.0, stimulus="told", decision=decision, evidence=evidence)


@given(session=sessions)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_field_of_a_session_comes_back(connection: sqlite3.Connection, session: Session) -> None:
    connection.execute("DELETE FROM session")

    save_session(connection, session, [], [])

    assert load_sessions(connection) == [session]


@given(first=sessions, second=sessions)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_second_save_replaces_every_field(connection: sqlite3.Connection, first: Session, second: Session) -> None:
    connection.execute("DELETE FROM session")
    second = dataclasses.replace(second, session_id=first.session_id)

    save_session(connection, first, [], [])
    save_session(connection, second, [], [])

    assert load_sessions(connection) == [second]


@given(evidence=st.dictionaries(texts, scalars, max_size=4), decision=texts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_step_comes_back_as_it_was(
    connection: sqlite3.Connection, evidence: dict[str, str | float | bool | None], decision: str
) -> None:
    step = Step(session_id=ID, at=1.5, stimulus="Launched", decision=decision, evidence=evidence)

    save_session(connection, a_session(), [step], [])

    assert timeline(connection, 1) == [step]


def test_half_an_emoji_from_an_engine_does_not_stop_a_save(connection: sqlite3.Connection) -> None:
    broken = "Ann \ud83d"
    session = a_session(push_name=broken, spec=Spec(engine="simulator", labels={"name": broken}))

    save_session(connection, session, [a_step(broken)], [Event(type="x", occurred_at=1.0, data={"name": broken})])

    (loaded,) = load_sessions(connection)
    assert loaded.push_name == "Ann ?"
    assert loaded.spec.labels == {"name": "Ann ?"}


def timeline(connection: sqlite3.Connection, limit: int, max_bytes: int = 1 << 20) -> list[Step]:
    """Return the newest steps, read as a page is."""
    after, steps = step_before(connection, ID, limit, max_bytes), []
    while found := read_steps(connection, ID, after):
        after = found[-1][0]
        steps += [step for _, step in found]
    return steps


def test_steps_end_where_they_would_be_too_large_but_the_newest_is_among_them(connection: sqlite3.Connection) -> None:
    for number in range(5):
        save_session(
            connection, a_session(), [dataclasses.replace(a_step(f"{number}"), evidence={"error": "x" * 100_000})], []
        )

    assert [step.decision for step in timeline(connection, 5, 250_000)] == ["3", "4"]
    assert [step.decision for step in timeline(connection, 5, 10)] == ["4"]
    assert len(read_steps(connection, ID, 0)) == 1


def test_the_timeline_keeps_the_newest_steps_in_order(connection: sqlite3.Connection) -> None:
    for number in range(STEPS_KEPT + 20):
        save_session(connection, a_session(), [a_step(f"{number}")], [])

    steps = timeline(connection, 10_000)

    assert [step.decision for step in steps] == [f"{number}" for number in range(20, STEPS_KEPT + 20)]
    assert [step.decision for step in timeline(connection, 2)] == ["518", "519"]


def test_a_launch_that_is_over_keeps_how_it_ended(connection: sqlite3.Connection) -> None:
    save_session(connection, a_session(launch=a_launch("one")), [], [])

    save_session(connection, a_session(updated_at=9.0), [a_step("crashed", exit_code=3, signal=None)], [])
    save_session(connection, a_session(launch=a_launch("two", 2)), [], [])

    rows = connection.execute("SELECT launch_id, ended_at, exit_code, signal FROM launch ORDER BY number").fetchall()
    assert rows == [("one", 9.0, 3, None), ("two", None, None, None)]


def test_a_launch_that_follows_another_at_once_closes_it(connection: sqlite3.Connection) -> None:
    save_session(connection, a_session(launch=a_launch("one")), [], [])

    save_session(connection, a_session(launch=a_launch("two", 2), updated_at=5.0), [a_step("again", signal=9)], [])

    rows = connection.execute("SELECT launch_id, ended_at, signal FROM launch ORDER BY number").fetchall()
    assert rows == [("one", 5.0, 9), ("two", None, None)]


def test_the_newest_launches_are_kept(connection: sqlite3.Connection) -> None:
    for number in range(1, LAUNCHES_KEPT + 3):
        save_session(connection, a_session(launch=a_launch(f"launch-{number}", number)), [], [])

    numbers = [row[0] for row in connection.execute("SELECT number FROM launch ORDER BY number")]

    assert numbers == list(range(3, LAUNCHES_KEPT + 3))


def test_a_launch_is_written_when_it_changes_and_pruned_when_there_are_too_many(
    connection: sqlite3.Connection,
) -> None:
    statements: list[str] = []
    first = a_session(launch=a_launch("one"))
    save_session(connection, first, [a_step("launched")], [])
    connection.set_trace_callback(statements.append)

    save_session(connection, dataclasses.replace(first, push_name="Ann"), [a_step("named")], [], first)

    connection.set_trace_callback(None)
    assert not [each for each in statements if " launch " in each or each.lstrip().startswith("DELETE")]


def test_removing_a_session_keeps_what_is_to_be_told(connection: sqlite3.Connection) -> None:
    told = [Event(type="session.deleted", session_id=ID, occurred_at=1.0)]
    save_session(connection, a_session(launch=a_launch("one")), [a_step("x")], told)
    save_session(connection, a_session(SessionId("other")), [], [])

    remove_session(connection, ID)

    assert [session.session_id for session in load_sessions(connection)] == ["other"]
    assert timeline(connection, 10) == []
    assert connection.execute("SELECT count(*) FROM launch").fetchone() == (0,)
    assert [stored.event.type for stored in read_events(connection).events] == ["session.deleted"]


def test_no_table_but_that_of_events_knows_a_session_that_was_removed(connection: sqlite3.Connection) -> None:
    told = [Event(type="session.deleted", session_id=ID, occurred_at=1.0)]
    save_session(connection, a_session(launch=a_launch("one")), [a_step("x")], told)
    engine_events.remember(connection, [engine_events.EngineKey(ID, "key", 1.0)])

    remove_session(connection, ID)

    holders = "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE c.name = 'session_id'"
    tables = [name for (name,) in connection.execute(f"{holders} AND m.type = 'table'")]
    counts = {each: connection.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in tables}  # noqa: S608
    assert {each: count for each, count in counts.items() if count} == {"event": 1}
    assert "engine_event" in tables


async def test_a_save_through_the_database_returns_the_events_with_their_numbers(database: Database) -> None:
    event = Event(type="session.created", session_id=ID, occurred_at=1.0)
    session = a_session(process=ProcessState.STARTING, launch_count=3)

    stored = await database.write(partial(save_session, session=session, steps=[], events=[event]))

    assert [(one.seq, one.event) for one in stored] == [(1, dataclasses.replace(event, session_seq=1, launch=3))]
    assert await database.read(load_sessions) == [session]


@given(session=sessions, later=sessions)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_the_same_whether_the_former_state_is_known_or_not(
    connection: sqlite3.Connection, session: Session, later: Session
) -> None:
    progressed = dataclasses.replace(session, updated_at=8.0, last_seen_at=9.0)
    for saved, after in (
        (session, progressed),
        (progressed, dataclasses.replace(later, session_id=session.session_id)),
    ):
        save_session(connection, saved, [], [])

        save_session(connection, after, [], [], saved)
        known = load_sessions(connection)
        save_session(connection, after, [], [])

        assert load_sessions(connection) == known
        remove_session(connection, session.session_id)


DAMAGE = [
    ("process", "'of a later version'"),
    ("restarts", "'{'"),
    ("reason", '\'{"code": "of a later version"}\''),
    ("labels", "'[]'"),
    ("qr", "'{}'"),
    ("link", "cast(x'ff' AS TEXT)"),
]


@pytest.mark.parametrize(("column", "value"), DAMAGE)
def test_a_row_that_cannot_be_read_fails_its_session_only(
    connection: sqlite3.Connection, column: str, value: str
) -> None:
    told = [Event(type="session.created", session_id=ID, occurred_at=1.0)]
    save_session(connection, a_session(launch_count=7), [], told)
    save_session(connection, a_session(SessionId("other"), process=ProcessState.STOPPED), [], [])
    connection.execute(f"UPDATE session SET {column} = {value} WHERE session_id = ?", (ID,))  # noqa: S608

    loaded = {each.session_id: each for each in load_sessions(connection)}

    assert loaded[SessionId("other")].process is ProcessState.STOPPED
    assert (loaded[ID].process, loaded[ID].launch_count, loaded[ID].launch) == (ProcessState.FAILED, 7, None)
    reason = loaded[ID].reason
    assert reason is not None
    assert reason.code is ReasonCode.INTERNAL_ERROR
    assert "cannot be read" in reason.detail
    (next_one,) = save_session(connection, loaded[ID], [], told)
    assert next_one.event.session_seq == 2


def test_text_that_is_not_utf8_is_read_with_its_other_letters(connection: sqlite3.Connection) -> None:
    save_session(connection, a_session(), [], [])
    connection.execute("UPDATE session SET push_name = cast(x'416eff' AS TEXT)")

    (loaded,) = load_sessions(connection)

    assert loaded.push_name == "An\N{REPLACEMENT CHARACTER}"
