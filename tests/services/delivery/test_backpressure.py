import sqlite3
from pathlib import Path

from openwa_manager.services.delivery.backpressure import Backpressure
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock


def fill(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE backlog SET row_count = 200000")


async def test_the_backlog_is_read_once_a_second_at_most(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Database(tmp_path / "manager.db") as database:
        backpressure = Backpressure(database, clock)

        at_first = await backpressure.is_full()
        await database.write(fill)
        soon = await backpressure.is_full()
        await clock.advance(1.0)
        later = await backpressure.is_full()

    assert (at_first, soon, later) == (False, False, True)
