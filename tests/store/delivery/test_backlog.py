import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.delivery.delivery import DeliveryState
from openwa_manager.domain.delivery.events import EndpointId
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.delivery.backlog import Backlog, BacklogLimit, Shares, drop_passing, read_backlog, read_shares
from openwa_manager.store.delivery.deliveries import Selection, replay
from openwa_manager.store.delivery.endpoints import remove_endpoint, save_endpoint
from openwa_manager.store.delivery.outbox import (
    append,
    read_events,
    record,
)
from openwa_manager.store.migrations import migrate, shipped
from tests.store.delivery.samples import MAIN, NOW, an_attempt, an_endpoint, an_event, states


@pytest.fixture(autouse=True)
def endpoint(connection: sqlite3.Connection) -> None:
    save_endpoint(connection, an_endpoint())


def test_the_backlog_counts_what_is_undelivered_through_every_change(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(), an_event(), an_event("session.qr"), an_event("session.qr")])
    assert read_backlog(connection).row_count == 3

    record(connection, MAIN, an_attempt(1))
    record(connection, MAIN, replace(an_attempt(2, DeliveryState.PENDING), next_at=NOW))
    assert read_backlog(connection).row_count == 2

    replay(connection, Selection(ids=[read_events(connection).events[0].id]))
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


def test_each_sessions_share_is_counted_through_every_change(connection: sqlite3.Connection) -> None:
    def share(session_id: str) -> int:
        return read_shares(connection).of_sessions.get(session_id, Backlog(row_count=0, byte_count=0)).row_count

    append(connection, [an_event(), an_event(), replace(an_event(), session_id=SessionId("b"))])
    assert (share("a"), share("b")) == (2, 1)

    record(connection, MAIN, an_attempt(1))
    assert (share("a"), share("b")) == (1, 1)

    replay(connection, Selection(ids=[read_events(connection).events[0].id]))
    assert (share("a"), share("b")) == (2, 1)

    remove_endpoint(connection, EndpointId("ep_1"))
    assert read_shares(connection) == Shares()


def test_the_shares_of_a_backlog_from_before_there_were_any_are_counted() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as older:
        migrate(older, shipped()[:2])
        save_endpoint(older, an_endpoint())
        append(older, [an_event(), an_event()])

        migrate(older, shipped())

        assert read_shares(older).of_sessions == {"a": read_backlog(older)}


LIMIT = BacklogLimit(row_count=1000, byte_count=10**9)


def shares(**row_counts: int) -> Shares:
    held = {name: Backlog(row_count=count, byte_count=0) for name, count in row_counts.items()}
    return Shares(whole=Backlog(row_count=sum(row_counts.values()), byte_count=0), of_sessions=held)


def test_a_session_may_hold_a_quarter_of_the_whole() -> None:
    assert shares(a=249).has_room("a", LIMIT)
    assert not shares(a=250).has_room("a", LIMIT)
    assert shares(a=250).has_room("b", LIMIT)


def test_the_largest_are_refused_first_and_who_holds_little_has_room() -> None:
    held = shares(**{f"large{number}": 95 for number in range(10)}, small=5)

    assert not held.has_room("large1", LIMIT)
    assert held.has_room("small", LIMIT)
    assert held.has_room("new", LIMIT)


@given(st.lists(st.integers(0, 30), max_size=300))
def test_what_is_let_in_never_exceeds_the_whole(arriving: list[int]) -> None:
    held: Counter[str] = Counter()
    for number in arriving:
        name = f"s{number}"
        if shares(**held).has_room(name, BacklogLimit(row_count=40, byte_count=1)):
            held[name] += 1

    assert held.total() <= 40
    assert all(count <= 10 for count in held.values())


def test_only_what_is_of_passing_interest_is_dropped(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(kind) for kind in ("session.status", "presence.update", "message.received", "call.x")])

    assert drop_passing(connection) == 2
    assert drop_passing(connection) == 0
    assert states(connection) == [(1, "pending"), (3, "pending")]


def test_what_passes_of_the_session_that_holds_most_is_dropped_first(connection: sqlite3.Connection) -> None:
    of_b = replace(an_event("call.x"), session_id=SessionId("b"))
    append(connection, [of_b, *(an_event("presence.update") for _ in range(3))])

    assert (drop_passing(connection), states(connection)) == (3, [(1, "pending")])
    assert (drop_passing(connection), states(connection)) == (1, [])


def test_at_the_cap_passing_events_make_room_for_new_ones(connection: sqlite3.Connection) -> None:
    append(connection, [an_event(kind) for kind in ("session.status", "presence.update", "call.x")])

    append(connection, [an_event("session.connected")], BacklogLimit(row_count=4))
    append(connection, [an_event("message.received")], BacklogLimit(row_count=4))

    assert states(connection) == [(1, "pending"), (4, "pending"), (5, "pending")]
