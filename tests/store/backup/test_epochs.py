"""What a database that takes another's place does with its numbers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.session.session import Session, SessionId, Spec
from openwa_manager.store.backup.epochs import begin_epoch, is_copy, last_number_before
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import append, last_seq, read_events
from openwa_manager.store.sessions.registry import save_session

NOW = 1_800_000_000.0
ID = SessionId("a")


A_SESSION = Session(session_id=ID, spec=Spec(engine="simulator"), engine_key="k", created_at=1.0, updated_at=1.0)


def tell(connection: sqlite3.Connection, count: int) -> list[int]:
    return [each.seq for each in append(connection, [Event(type="x", occurred_at=1.0)] * count)]


def next_number(connection: sqlite3.Connection) -> int:
    (stored,) = save_session(connection, A_SESSION, [], [Event(type="session.status", session_id=ID, occurred_at=NOW)])
    assert stored.event.session_seq is not None
    return stored.event.session_seq


def test_positions_go_on_above_all_that_can_have_been_given_out(connection: sqlite3.Connection) -> None:
    before = tell(connection, 3)

    begin_epoch(connection, NOW)

    (after,) = tell(connection, 1)
    assert before == [1, 2, 3]
    assert int(NOW * 1_000_000) < after < 2**53  # a JSON number is exact up to there
    assert [stored.seq for stored in read_events(connection, after=2).events] == [3, after]


def test_an_epoch_begins_in_a_database_that_is_empty_and_again_when_the_clock_was_set_back(
    connection: sqlite3.Connection,
) -> None:
    begin_epoch(connection, NOW)
    first = last_seq(connection)
    (told,) = tell(connection, 1)

    begin_epoch(connection, NOW - 86_400.0)

    assert first < told < tell(connection, 1)[0]


@pytest.mark.parametrize("last", [0, 7, 2**31])
def test_the_numbers_of_a_session_go_on_above_those_it_had_since_the_copy(
    connection: sqlite3.Connection, last: int
) -> None:
    save_session(connection, A_SESSION, [], [])
    connection.execute("UPDATE session SET event_seq = ?", (last,))

    begin_epoch(connection, NOW)

    first = next_number(connection)
    assert first > max(last + 1_000_000, last_number_before(NOW))
    assert next_number(connection) == first + 1


def test_the_number_of_a_session_fits_the_column_of_a_receiver() -> None:
    assert last_number_before(0.0) == 0
    assert 200_000_000 < last_number_before(NOW) < 2**31


async def test_a_copy_is_known_as_one_until_an_epoch_begins(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    async with Database(tmp_path / "manager.db") as database:
        await database.write(lambda connection: tell(connection, 1))
        await database.snapshot(copy)
        assert not await database.read(is_copy)

    async with Database(copy) as database:
        was_copy = await database.read(is_copy)
        await database.write(lambda connection: begin_epoch(connection, NOW))
        is_still_one = await database.read(is_copy)

    assert (was_copy, is_still_one) == (True, False)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "manager.db"]
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
