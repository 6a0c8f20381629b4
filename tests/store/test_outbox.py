import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from openwa_manager.domain.delivery.delivery import DeliveryState, Endpoint, Lane, Tries
from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.delivery.events import EndpointId, Event, Json, matches_any
from openwa_manager.domain.delivery.streams import PendingStream
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.backlog import Backlog, BacklogLimit, drop_passing, read_backlog
from openwa_manager.store.deliveries import Place, Selection, list_deliveries, replay
from openwa_manager.store.endpoints import remove_endpoint, save_endpoint
from openwa_manager.store.ids import new_id
from openwa_manager.store.outbox import (
    Attempt,
    append,
    drop,
    due_at,
    last_seq,
    read_events,
    read_next,
    read_streams,
    record,
)
from openwa_manager.store.retention import Retention, prune
from openwa_manager.webhooks.envelope import write_body

NOW = 1_800_000_000.0
DAY_S = 86_400.0
MAIN = StreamKey(EndpointId("ep_1"), Lane.MAIN, "a")
QR = StreamKey(EndpointId("ep_1"), Lane.QR, "a")


def an_endpoint(name: str = "ep_1", *, is_active: bool = True, sessions: tuple[str, ...] = ("*",)) -> Endpoint:
    return Endpoint(
        endpoint_id=EndpointId(name),
        url="http://x",
        secret="s",
        sessions=sessions,
        is_active=is_active,
        created_at=0.0,
        updated_at=0.0,
    )


def an_event(event_type: str = "session.status", session: str | None = "a", at: float = NOW) -> Event:
    return Event(type=event_type, occurred_at=at, session_id=SessionId(session) if session else None)


def an_attempt(seq: int, state: DeliveryState = DeliveryState.DELIVERED, at: float = NOW) -> Attempt:
    return Attempt(seq=seq, at=at, state=state, tries=Tries(attempts=1, first_at=at), status=200)


@pytest.fixture(autouse=True)
def endpoint(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint())


def states(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT event_seq, state FROM delivery ORDER BY event_seq, endpoint_id").fetchall()


def test_what_is_announced_is_what_a_later_reader_finds(connection: sqlite3.Connection) -> None:
    odd = replace(an_event("presence.\ud83d"), data={"half": "cut \ud83d", "deep": [{"far": float("inf")}], "n": 1.5})

    stored = append(connection, [odd])

    assert stored == read_events(connection)
    write_body(stored[0].id, stored[0].event, "host-1").decode()


def test_an_event_comes_back_as_it_was(connection: sqlite3.Connection) -> None:
    data: dict[str, Json] = {"text": "né 😀", "nested": {"list": [1, 2.5, None, True]}}
    event = replace(an_event(), user_id="1", session_seq=7, launch=3, expires_at=NOW + 20, data=data)

    (stored,) = append(connection, [event])

    assert read_events(connection) == [stored]
    assert stored.event == event
    assert stored.id.startswith("evt_")


@pytest.mark.parametrize("fate", ["sent", "delivered", "read", "failed"])
def test_the_fate_of_a_message_is_stored_with_which_of_ours_it_is(connection: sqlite3.Connection, fate: str) -> None:
    told = replace(an_event(f"message.{fate}"), data={"message_id": "3EB0"})
    other = replace(an_event("message.received"), data={"data": {}})

    stored = append(connection, [told, other])

    assert stored[0].event.data == {"message_id": "3EB0", "manager_message_id": None, "reference": None}
    assert stored[1].event == other


def test_numbers_no_json_knows_come_back_as_null(connection: sqlite3.Connection) -> None:
    append(connection, [replace(an_event(), data={"a": float("nan"), "b": float("inf")})])

    assert read_events(connection)[0].event.data == {"a": None, "b": None}


def test_a_heartbeat_is_never_stored(connection: sqlite3.Connection) -> None:
    assert append(connection, [an_event("session.heartbeat")]) == []
    assert read_events(connection) == []


def test_a_seq_is_never_given_twice(connection: sqlite3.Connection) -> None:
    (first,) = append(connection, [an_event()])
    connection.execute("DELETE FROM event")

    (second,) = append(connection, [an_event()])

    assert second.seq == first.seq + 1
    assert last_seq(connection) == second.seq


def test_pages_follow_each_other_and_are_filtered(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(kind, session) for session in ("a", "b") for kind in ("x", "y", "z")])

    page = read_events(connection, after=1, limit=2)

    assert [stored.seq for stored in page] == [2, 3]
    assert [stored.seq for stored in read_events(connection, types=("x", "z"))] == [1, 3, 4, 6]
    assert [stored.seq for stored in read_events(connection, session_id=SessionId("b"), types=("y",))] == [5]


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

    page = read_events(connection, types=types)

    assert page == [stored for stored in read_events(connection) if matches_any(types, stored.event.type)]


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

    due = record(connection, MAIN, an_attempt(first.seq))

    assert due == 0.0
    pending = read_next(connection, MAIN)
    assert pending is not None
    assert pending.stored == second
    assert record(connection, MAIN, an_attempt(second.seq, DeliveryState.DEAD)) is None
    assert read_next(connection, MAIN) is None


def test_what_was_tried_is_remembered(connection: sqlite3.Connection) -> None:
    append(connection, [an_event()])
    tries = Tries(attempts=3, rejected_count=1, errored_count=2, first_at=NOW - 60)

    record(
        connection,
        MAIN,
        Attempt(seq=1, at=NOW, state=DeliveryState.PENDING, tries=tries, status=500, error="\ud83d", next_at=NOW + 30),
    )

    first = read_next(connection, MAIN)
    assert first is not None
    assert first.tries == tries
    assert due_at(connection, MAIN) == NOW + 30
    (delivery,) = list_deliveries(connection, Selection())
    assert (delivery.last_status, delivery.last_error, delivery.next_at) == (500, "?", NOW + 30)


def test_a_dropped_delivery_is_gone_and_the_next_is_due(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(), an_event()])

    assert drop(connection, MAIN, 1) == 0.0
    assert drop(connection, MAIN, 2) is None
    assert len(read_events(connection)) == 2


def test_recording_what_was_dropped_meanwhile_changes_nothing(connection: sqlite3.Connection) -> None:
    append(connection, [an_event("session.qr")])
    append(connection, [an_event("session.qr")])

    assert record(connection, QR, an_attempt(1)) == 0.0
    assert states(connection) == [(2, "pending")]


def test_ids_sort_by_time() -> None:
    ids = [new_id("evt", at) for at in (0.0, 1.0, NOW, NOW + 0.001, NOW + 1e6)]

    assert sorted(ids) == ids
    assert all(len(one) == len("evt_") + 26 for one in ids)


# --- deliveries


def test_deliveries_are_listed_newest_first_in_pages(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW + number) for number in range(5)])
    record(connection, MAIN, an_attempt(1))

    first_page = list_deliveries(connection, Selection(), limit=2)
    second_page = list_deliveries(connection, Selection(), behind=Place(first_page[-1].seq, "ep_1"), limit=2)

    assert [delivery.seq for delivery in (*first_page, *second_page)] == [5, 4, 3, 2]
    assert first_page[0].next_at is None
    (delivered,) = list_deliveries(connection, Selection(state=DeliveryState.DELIVERED))
    assert (delivered.seq, delivered.settled_at, delivered.last_status, delivered.attempts) == (1, NOW, 200, 1)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(session_id=SessionId("a")), {1, 3}),
        (Selection(since=NOW + 1, until=NOW + 3), {2, 3}),
        (Selection(state=DeliveryState.DEAD), {1, 2}),
        (Selection(session_id=SessionId("b"), state=DeliveryState.DEAD), {2}),
        (Selection(), {1, 2, 3, 4}),
    ],
)
def test_what_is_selected_is_sent_again_from_the_first_try(
    connection: sqlite3.Connection, selection: Selection, expected: set[int]
) -> None:
    append(connection, [an_event(session=session, at=NOW + at) for at, session in enumerate("abab")])
    ends = (DeliveryState.DEAD, DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.DELIVERED)
    for seq, (session, state) in enumerate(zip("abab", ends, strict=True), 1):
        record(connection, MAIN._replace(session_id=session), an_attempt(seq, state))

    count, _ = replay(connection, selection)

    assert count == len(expected)
    assert {seq for seq, state in states(connection) if state == "pending"} == expected
    assert read_backlog(connection).row_count == len(expected)


def test_events_are_replayed_by_their_ids(connection: sqlite3.Connection) -> None:
    stored = append(connection, [an_event(), an_event()])
    for one in stored:
        record(connection, MAIN, an_attempt(one.seq))

    assert replay(connection, Selection(ids=[stored[1].id, "evt_unknown"])) == (1, None)

    first = read_next(connection, MAIN)
    assert first is not None
    assert (first.stored, first.tries) == (stored[1], Tries())


def test_codes_are_never_replayed(connection: sqlite3.Connection) -> None:
    append(connection, [an_event("session.qr")])
    record(connection, QR, an_attempt(1))

    assert replay(connection, Selection()) == (0, None)


# --- retention


def test_the_backlog_counts_what_is_undelivered_through_every_change(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(), an_event(), an_event("session.qr"), an_event("session.qr")])
    assert read_backlog(connection).row_count == 3

    record(connection, MAIN, an_attempt(1))
    record(connection, MAIN, replace(an_attempt(2, DeliveryState.PENDING), next_at=NOW))
    assert read_backlog(connection).row_count == 2

    replay(connection, Selection(ids=[read_events(connection)[0].id]))
    assert read_backlog(connection).row_count == 3

    remove_endpoint(connection, EndpointId("ep_1"))
    assert read_backlog(connection) == Backlog(row_count=0, byte_count=0)


def test_a_backlog_is_full_by_rows_or_by_bytes() -> None:
    limit = BacklogLimit(row_count=100, byte_count=1000)

    assert not Backlog(row_count=99, byte_count=999).is_full(limit)
    assert Backlog(row_count=100, byte_count=0).is_full(limit)
    assert Backlog(row_count=0, byte_count=1000).is_full(limit)
    assert Backlog(row_count=95, byte_count=0).is_near(limit)
    assert not Backlog(row_count=94, byte_count=949).is_near(limit)


def test_what_is_shed_is_passing_only(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(kind) for kind in ("session.status", "presence.update", "message.received", "call.x")])

    assert drop_passing(connection) == 2
    assert drop_passing(connection) == 0
    assert states(connection) == [(1, "pending"), (3, "pending")]


def test_at_the_cap_passing_events_make_room_for_new_ones(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(kind) for kind in ("session.status", "presence.update", "call.x")])

    append(connection, [an_event("session.connected")], BacklogLimit(row_count=4))
    append(connection, [an_event("message.received")], BacklogLimit(row_count=4))

    assert states(connection) == [(1, "pending"), (4, "pending"), (5, "pending")]


def test_delivered_events_go_after_a_week_and_undelivered_ones_stay(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 8 * DAY_S), an_event(at=NOW - 8 * DAY_S), an_event(at=NOW)])
    record(connection, MAIN, an_attempt(2))
    record(connection, MAIN, an_attempt(3))

    assert prune(connection, NOW, Retention()) == 1

    assert [stored.seq for stored in read_events(connection)] == [1, 3]
    assert prune(connection, NOW, Retention()) == 0


def test_only_so_many_delivered_events_are_kept_and_the_oldest_go_first(connection: sqlite3.Connection) -> None:
    append(connection, [an_event() for _ in range(5)])
    for seq in (1, 2, 3, 5):
        record(connection, MAIN, an_attempt(seq))

    prune(connection, NOW, Retention(delivered_max=2))

    assert [stored.seq for stored in read_events(connection)] == [4, 5]


def test_dead_letters_are_kept_for_a_month(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(at=NOW - 40 * DAY_S), an_event(at=NOW - 40 * DAY_S)])
    record(connection, MAIN, an_attempt(1, DeliveryState.DEAD, at=NOW - 31 * DAY_S))
    record(connection, MAIN, an_attempt(2, DeliveryState.DEAD, at=NOW - 29 * DAY_S))

    while prune(connection, NOW, Retention()):
        pass

    assert [stored.seq for stored in read_events(connection)] == [2]
    assert states(connection) == [(2, "dead")]


def test_pruning_an_empty_outbox_does_nothing(connection: sqlite3.Connection) -> None:
    assert prune(connection, NOW, Retention()) == 0


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
