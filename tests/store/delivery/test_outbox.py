import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.delivery.delivery import DeliveryState, Tries
from openwa_manager.domain.delivery.event_filter import EventFilter
from openwa_manager.domain.delivery.events import Event, Json, matches_any
from openwa_manager.domain.delivery.streams import PendingStream
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.backlog import read_backlog
from openwa_manager.store.delivery.deliveries import Selection, list_deliveries
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.event_times import LOOKED_AT_MAX
from openwa_manager.store.delivery.outbox import (
    DeliveryAttempt,
    append,
    begins_large,
    drop,
    due_at,
    last_seq,
    look_back,
    read_events,
    read_next,
    read_streams,
    record,
    record_all,
)
from openwa_manager.webhooks.envelope import write_body
from tests.store.delivery.samples import MAIN, NOW, QR, an_attempt, an_endpoint, an_event, states


@pytest.fixture(autouse=True)
def endpoint(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint())


def test_what_is_announced_is_what_a_later_reader_finds(connection: sqlite3.Connection) -> None:
    odd = replace(an_event("presence.\ud83d"), data={"half": "cut \ud83d", "deep": [{"far": float("inf")}], "n": 1.5})

    stored = append(connection, [odd])

    assert stored == read_events(connection).events
    write_body(stored[0].id, stored[0].event, "host-1").decode()


def test_an_event_comes_back_as_it_was(connection: sqlite3.Connection) -> None:
    data: dict[str, Json] = {"text": "né 😀", "nested": {"list": [1, 2.5, None, True]}}
    event = replace(an_event(), user_id="1", session_seq=7, launch=3, expires_at=NOW + 20, data=data)

    (stored,) = append(connection, [event])

    assert read_events(connection).events == [stored]
    assert stored.event == event
    assert stored.id.startswith("evt_")


@pytest.mark.parametrize("fate", ["sent", "delivered", "read", "failed"])
def test_the_fate_of_a_message_is_stored_with_which_of_ours_it_is(connection: sqlite3.Connection, fate: str) -> None:
    told = replace(an_event(f"message.{fate}"), data={"message_id": "3EB0"})
    other = replace(an_event("message.received"), data={"data": {}})

    stored = append(connection, [told, other])

    data = stored[0].event.data
    assert (data["message_id"], data["manager_message_id"], data["reference"]) == ("3EB0", None, None)
    assert stored[1].event == other


def test_numbers_no_json_knows_come_back_as_null(connection: sqlite3.Connection) -> None:
    append(connection, [replace(an_event(), data={"a": float("nan"), "b": float("inf")})])

    assert read_events(connection).events[0].event.data == {"a": None, "b": None}


def test_a_heartbeat_is_never_stored(connection: sqlite3.Connection) -> None:
    assert append(connection, [an_event("session.heartbeat")]) == []
    assert read_events(connection).events == []


def test_a_seq_is_never_given_twice(connection: sqlite3.Connection) -> None:
    (first,) = append(connection, [an_event()])
    connection.execute("DELETE FROM event")

    (second,) = append(connection, [an_event()])

    assert second.seq == first.seq + 1
    assert last_seq(connection) == second.seq


def test_pages_follow_each_other_and_are_filtered(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(kind, session) for session in ("a", "b") for kind in ("x", "y", "z")])

    of_b = EventFilter(session_id=SessionId("b"), types=("y",))
    of_two_types = EventFilter(types=("x", "z"))

    page = read_events(connection, after=1, limit=2).events

    assert [stored.seq for stored in page] == [2, 3]
    assert [stored.seq for stored in read_events(connection, wanted=of_two_types).events] == [
        1,
        3,
        4,
        6,
    ]
    assert [stored.seq for stored in read_events(connection, wanted=of_b).events] == [5]


@pytest.mark.parametrize(
    "types",
    [("session.*",), ("session.status", "message.*"), ("*",), ("session.*", "none"), ("sess", "session.status*")],
)
def test_a_page_holds_the_types_an_endpoint_with_these_patterns_would_get(
    connection: sqlite3.Connection, types: tuple[str, ...]
) -> None:
    append(
        connection, [an_event(each) for each in ("session.status", "session.qr", "message.sent", "sessionless", "*")]
    )

    page = read_events(connection, wanted=EventFilter(types=types)).events

    assert page == [stored for stored in read_events(connection).events if matches_any(types, stored.event.type)]


def test_only_active_endpoints_that_asked_get_a_delivery(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint("paused", is_active=False))
    save_endpoint(connection, an_endpoint("picky", sessions=("user_1_*",)))

    append(connection, [an_event(session="user_1_x"), an_event(session="user_2_x"), an_event(session=None)])

    rows = connection.execute("SELECT event_seq, endpoint_id FROM delivery ORDER BY 1, 2").fetchall()
    assert rows == [(1, "ep_1"), (1, "picky"), (2, "ep_1"), (3, "ep_1")]


def test_a_new_code_replaces_the_undelivered_ones_of_its_session(connection: sqlite3.Connection) -> None:
    append(connection, [an_event("session.qr"), an_event("session.qr", "b")])
    record(connection, QR._replace(session_id="b"), an_attempt(2))

    append(connection, [an_event("session.qr"), an_event("session.qr", "b")])

    assert states(connection) == [(2, "delivered"), (3, "pending"), (4, "pending")]


def test_an_image_is_never_in_a_row(connection: sqlite3.Connection) -> None:
    append(connection, [replace(an_event("session.qr"), data={"sha256": "ab"})])

    (row,) = connection.execute("SELECT data FROM event").fetchone()
    assert json.loads(row) == {"sha256": "ab"}


def test_streams_are_told_with_when_their_first_new_event_is_due(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(), an_event(), an_event("session.qr"), an_event(session=None)])
    failed = replace(an_attempt(1, DeliveryState.PENDING), next_at=NOW + 30)
    record(connection, MAIN, failed)

    streams, newest = read_streams(connection)

    of_daemon = PendingStream(MAIN._replace(session_id=""), 4)
    assert set(streams) == {PendingStream(MAIN, 1, NOW + 30), PendingStream(QR, 3), of_daemon}
    assert newest == 4
    assert PendingStream(MAIN, 2) in read_streams(connection, after=1)[0]
    assert read_streams(connection, after=newest) == ([], 4)


def test_the_first_of_a_stream_moves_on_when_it_is_settled(connection: sqlite3.Connection) -> None:
    first, second = append(connection, [an_event(), an_event()])
    pending = read_next(connection, MAIN)
    assert pending is not None
    assert pending.stored == first

    due = record(connection, MAIN, an_attempt(first.seq)).due_at

    assert due == 0.0
    pending = read_next(connection, MAIN)
    assert pending is not None
    assert pending.stored == second
    assert record(connection, MAIN, an_attempt(second.seq, DeliveryState.DEAD)).due_at is None
    assert read_next(connection, MAIN) is None


def test_what_was_tried_is_remembered(connection: sqlite3.Connection) -> None:
    append(connection, [an_event()])
    tries = Tries(attempts=3, rejected_count=1, errored_count=2, first_at=NOW - 60)

    record(
        connection,
        MAIN,
        DeliveryAttempt(
            seq=1, at=NOW, state=DeliveryState.PENDING, tries=tries, status=500, error="\ud83d", next_at=NOW + 30
        ),
    )

    first = read_next(connection, MAIN)
    assert first is not None
    assert first.tries == tries
    assert due_at(connection, MAIN) == NOW + 30
    (delivery,) = list_deliveries(connection, Selection())
    assert (delivery.last_status, delivery.last_error, delivery.next_at) == (500, "?", NOW + 30)


def test_a_record_brings_the_next_event_if_it_is_small_and_was_never_tried(connection: sqlite3.Connection) -> None:
    large = replace(an_event(), data={"text": "x" * 20_000})
    stored = append(connection, [an_event(), an_event(), large, an_event()])
    connection.execute("UPDATE delivery SET attempts = 1 WHERE event_seq = 4")

    following = [record(connection, MAIN, an_attempt(each.seq)) for each in stored]

    assert following == [(0.0, stored[1]), (0.0, None), (0.0, None), (None, None)]


def test_attempts_of_many_streams_are_recorded_together(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(session=session) for session in ("a", "b", "a")])
    other = MAIN._replace(session_id="b")

    following = record_all(connection, [(MAIN, an_attempt(1)), (other, an_attempt(2, DeliveryState.DEAD))])

    assert [each.due_at for each in following] == [0.0, None]
    assert states(connection) == [(1, "delivered"), (2, "dead"), (3, "pending")]


def test_many_events_are_inserted_by_few_statements_and_in_order(connection: sqlite3.Connection) -> None:
    events = [replace(an_event(), data={"number": number}) for number in range(40)]
    statements: list[str] = []
    connection.set_trace_callback(statements.append)

    stored = append(connection, events)

    connection.set_trace_callback(None)
    assert sum("INSERT INTO event (" in each for each in statements) == 3
    assert [each.event.data["number"] for each in stored] == list(range(40))
    assert read_events(connection).events == stored
    assert [seq for seq, _ in states(connection)] == [each.seq for each in stored]


def test_a_dropped_delivery_is_gone_and_the_next_is_due(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(), an_event()])

    assert drop(connection, MAIN, 1) == 0.0
    assert drop(connection, MAIN, 2) is None
    assert len(read_events(connection).events) == 2


def test_recording_what_was_dropped_meanwhile_changes_nothing(connection: sqlite3.Connection) -> None:
    append(connection, [an_event("session.qr")])
    append(connection, [an_event("session.qr")])

    assert record(connection, QR, an_attempt(1)).due_at == 0.0
    assert states(connection) == [(2, "pending")]


def effort(connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], object]) -> int:
    """Return how many hundreds of instructions of SQLite's machine a call takes."""
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    connection.set_progress_handler(tick, 100)
    function(connection)
    connection.set_progress_handler(None, 100)
    return ticks


@pytest.mark.parametrize(
    "function",
    [
        partial(read_streams, after=2999),
        partial(read_next, key=MAIN),
        partial(record, key=MAIN, attempt=an_attempt(1)),
        partial(drop, key=MAIN, seq=1),
        partial(append, events=[an_event(), an_event("session.qr")]),
        read_backlog,
        last_seq,
    ],
)
def test_what_is_done_for_every_event_costs_the_same_however_long_the_backlog_is(
    connection: sqlite3.Connection, function: Callable[[sqlite3.Connection], object]
) -> None:
    append(connection, [an_event() for _ in range(3000)])

    assert effort(connection, function) < 10


def test_a_page_ends_before_it_is_too_large_but_holds_one_event_at_least(connection: sqlite3.Connection) -> None:
    append(connection, [Event(type="x", occurred_at=1.0, data={"media": "A" * size}) for size in (900, 400, 400, 10)])

    first = read_events(connection, max_bytes=500)
    second = read_events(connection, after=1, max_bytes=500)
    rest = read_events(connection, after=2, max_bytes=500)

    assert [each.seq for each in first.events] == [1]
    assert [each.seq for each in second.events] == [2]
    assert [each.seq for each in rest.events] == [3, 4]
    assert [first.is_full, second.is_full, rest.is_full] == [True, True, False]


def test_a_reader_with_limits_finds_the_sessions_of_his_patterns_and_nothing_of_the_daemon(
    connection: sqlite3.Connection,
) -> None:
    append(connection, [an_event("x", session) for session in ("a", "a_1", "a_2", "ab_1", None, "b")])

    def found(*patterns: str) -> list[int]:
        wanted = EventFilter(scope=scope_of(patterns))
        return [stored.seq for stored in read_events(connection, wanted=wanted).events]

    assert found("a_*") == [2, 3]
    assert found("a", "b") == [1, 6]
    assert found("a_*", "b") == [2, 3, 6]
    assert found("c_*") == []
    assert found("*") == [1, 2, 3, 4, 5, 6]
    assert found() == []


def test_what_is_left_out_is_not_found_whatever_is_asked_for(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(each) for each in ("session.status", "session.qr", "group.left", "message.sent")])
    wanted = EventFilter(types=("session.*", "group.*"), left_out=("session.qr", "group.*"))

    assert [stored.seq for stored in read_events(connection, wanted=wanted).events] == [1]
    assert look_back(connection, 5, wanted) == (0, 0)


def test_a_reader_of_few_kinds_looks_at_so_many_events_at_once_and_misses_none(
    connection: sqlite3.Connection,
) -> None:
    append(connection, [an_event("rare")])
    sql = """
        INSERT INTO event (id, type, class, occurred_at, data)
        WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
        SELECT 'evt_' || n, 'common', 'passing', 0, '{}' FROM number"""
    connection.execute(sql, (2 * LOOKED_AT_MAX,))
    connection.execute("UPDATE sqlite_sequence SET seq = seq + 5000000 WHERE name = 'event'")
    (newest,) = append(connection, [an_event("rare")])
    wanted = EventFilter(types=("rare",))

    seqs, reads, after, is_full = list[int](), 0, 0, True
    while is_full:
        events, is_full, after = read_events(connection, after, wanted=wanted)
        seqs += [each.seq for each in events]
        reads += 1
    back, looks = look_back(connection, 2, wanted), 1
    while back.missing_count:
        back, looks = look_back(connection, back.missing_count, wanted, back.seq), looks + 1

    assert seqs == [1, newest.seq]
    assert back.seq == 0
    assert reads == 4
    assert looks == 4
    assert not begins_large(connection, 2**63 - 2, wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_newest_events_begin_behind_a_seq(connection: sqlite3.Connection, count: int) -> None:
    append(connection, [an_event(each) for each in "xyxyx"])
    wanted = EventFilter(types=("x",))

    back = look_back(connection, count, wanted)

    assert back.missing_count == 0
    assert len(read_events(connection, back.seq, wanted=wanted).events) == count


def test_nothing_is_missing_where_there_is_nothing(connection: sqlite3.Connection) -> None:
    assert look_back(connection, 3) == (0, 0)
