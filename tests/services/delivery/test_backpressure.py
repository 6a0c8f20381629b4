import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openwa_manager.domain.errors import BacklogFullError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.delivery.backpressure import Backpressure, PostingRate
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock

EVIL, GOOD = SessionId("evil"), SessionId("good")
RATE = PostingRate(events_per_s=10.0, bytes_per_s=1000.0, burst_s=2.0, states_per_s=1.0, states_burst=6.0)


def fill(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO session_backlog VALUES ('evil', 50000, 0)")
    connection.execute("UPDATE backlog SET row_count = 50000")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def backpressure(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Backpressure]:
    async with Database(tmp_path / "manager.db") as database:
        yield Backpressure(database, clock, RATE)


def count_let_in(backpressure: Backpressure, session_id: SessionId) -> int:
    """Return how many events in a row the engine may post now."""
    for count in range(1000):
        try:
            backpressure.count_event(session_id)
        except BacklogFullError:
            return count
    raise AssertionError("there is no end to it")


async def test_the_backlog_is_read_once_a_second_at_most(backpressure: Backpressure, clock: FakeClock) -> None:
    await backpressure.require_room(EVIL)
    await backpressure.database.write(fill)
    await backpressure.require_room(EVIL)
    await clock.advance(1.0)

    with pytest.raises(BacklogFullError):
        await backpressure.require_room(EVIL)


async def test_one_session_at_its_share_leaves_room_for_the_others(backpressure: Backpressure) -> None:
    await backpressure.database.write(fill)

    await backpressure.require_room(GOOD)

    with pytest.raises(BacklogFullError):
        await backpressure.require_room(EVIL)


async def test_an_engine_may_post_a_burst_and_then_at_its_rate(backpressure: Backpressure, clock: FakeClock) -> None:
    burst = count_let_in(backpressure, EVIL)
    await clock.advance(0.5)
    later = count_let_in(backpressure, EVIL)
    await clock.advance(3600)
    rested = count_let_in(backpressure, EVIL)

    assert (burst, later, rested) == (20, 5, 20)


async def test_an_engine_that_posts_too_fast_does_not_slow_down_another(backpressure: Backpressure) -> None:
    count_let_in(backpressure, EVIL)

    assert count_let_in(backpressure, GOOD) == 20


async def count_states(backpressure: Backpressure, session_id: SessionId) -> int:
    """Return how many times in a row the engine may say now how its session is."""
    for count in range(1000):
        try:
            await backpressure.require_state_room(session_id)
        except BacklogFullError:
            return count
    raise AssertionError("there is no end to it")


async def test_how_a_session_is_may_be_said_in_a_burst_and_then_at_its_rate(
    backpressure: Backpressure, clock: FakeClock
) -> None:
    burst = await count_states(backpressure, EVIL)
    await clock.advance(3)
    later = await count_states(backpressure, EVIL)
    neighbour = await count_states(backpressure, GOOD)
    await clock.advance(3600)
    rested = await count_states(backpressure, EVIL)

    assert (burst, later, neighbour, rested) == (6, 3, 6, 6)


def hold(connection: sqlite3.Connection, session_id: str, row_count: int, byte_count: int = 0) -> None:
    connection.execute("INSERT INTO session_backlog VALUES (?, ?, ?)", (session_id, row_count, byte_count))


@pytest.mark.parametrize(
    ("row_count", "byte_count", "has_room"), [(900, 0, True), (1_000, 0, False), (900, 6 << 20, False)]
)
async def test_when_all_room_is_taken_there_is_some_for_what_a_session_says_of_itself(
    backpressure: Backpressure, row_count: int, byte_count: int, has_room: bool
) -> None:
    def fill_up(connection: sqlite3.Connection) -> None:
        hold(connection, GOOD, row_count, byte_count)
        connection.execute("UPDATE backlog SET row_count = 200000")

    await backpressure.database.write(fill_up)

    assert (await count_states(backpressure, GOOD) > 0) is has_room
    with pytest.raises(BacklogFullError):
        await backpressure.require_room(GOOD)


async def test_an_engine_is_not_forgotten_before_it_may_say_all_again(
    backpressure: Backpressure, clock: FakeClock
) -> None:
    backpressure.rate = PostingRate(burst_s=0.1, states_per_s=0.001, states_burst=6.0)
    await count_states(backpressure, EVIL)
    await clock.advance(10)
    for number in range(5000):
        backpressure.count_bytes(SessionId(f"s{number}"), 1)

    assert await count_states(backpressure, EVIL) == 0


async def test_what_was_posted_counts_by_its_bytes_as_well(backpressure: Backpressure, clock: FakeClock) -> None:
    backpressure.count_bytes(EVIL, 5000)
    at_once = count_let_in(backpressure, EVIL)
    await clock.advance(2.5)
    soon = count_let_in(backpressure, EVIL)
    await clock.advance(1.0)
    later = count_let_in(backpressure, EVIL)

    assert (at_once, soon, later) == (0, 0, 20)


async def test_sessions_that_rest_are_forgotten(backpressure: Backpressure, clock: FakeClock) -> None:
    for number in range(5000):
        backpressure.count_bytes(SessionId(f"s{number}"), 1)
        if number == 4000:
            await clock.advance(10)

    assert len(backpressure._allowances) < 1100
