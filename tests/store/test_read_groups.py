import asyncio
import sqlite3
from collections.abc import Callable

import pytest

from openwa_manager.store.database import Connection, Database
from openwa_manager.store.read_groups import READS_MAX


async def test_reads_that_are_asked_for_together_are_made_in_few_hops(database: Database) -> None:
    begun: list[str] = []
    await database.read(lambda connection: connection.set_trace_callback(begun.append))

    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(database.read(_number(number))) for number in range(3 * READS_MAX)]

    assert [each.result() for each in reads] == list(range(3 * READS_MAX))
    assert begun.count("BEGIN") <= 4


async def test_a_read_fails_alone(database: Database) -> None:
    def fail(connection: Connection) -> None:
        connection.execute("SELECT nothing")

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(database.read(_number(1)))
        failing = tasks.create_task(_error_of(database, fail))
        last = tasks.create_task(database.read(_number(3)))

    assert (first.result(), last.result()) == (1, 3)
    assert isinstance(failing.result(), sqlite3.Error)


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_the_others_get_their_answers_though_one_is_cancelled(database: Database, cancelled: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(database.read(_number(number))) for number in range(3)]
        await asyncio.sleep(0)
        reads[cancelled].cancel()

    assert [each.result() for each in reads if not each.cancelled()] == [
        number for number in range(3) if number != cancelled
    ]


async def test_after_the_end_every_read_fails_at_once(database: Database) -> None:
    await database.close()

    for _ in range(2):
        assert isinstance(await _error_of(database, _number(1)), ValueError)


def _number(number: int) -> Callable[[Connection], int]:
    return lambda connection: int(connection.execute("SELECT ?", (number,)).fetchone()[0])


async def _error_of(database: Database, function: Callable[[Connection], object]) -> Exception | None:
    try:
        await database.read(function)
    except Exception as error:  # noqa: BLE001 (whatever it is)
        return error
    return None
