import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from openwa_manager.domain.delivery.endpoint_queue import StreamKey
from openwa_manager.domain.errors import DrainingError, StorageFullError
from openwa_manager.services.delivery.outcomes import Outcomes
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import append
from tests.store.delivery.samples import MAIN, an_attempt, an_endpoint, an_event, states

T = TypeVar("T")
KEYS = [MAIN._replace(session_id=session) for session in "abc"]


class _CountingDatabase(Database):
    """Counts writes, and lets the first of them fail if asked to."""

    count = 0
    is_full = False

    async def write(self, function: Callable[[Connection], T], *, is_urgent: bool = False) -> T:
        self.count += 1

        def write(connection: Connection) -> T:
            result = function(connection)
            if self.is_full:
                raise StorageFullError("full")
            return result

        return await super().write(write, is_urgent=is_urgent)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[_CountingDatabase]:
    async with _CountingDatabase(tmp_path / "manager.db") as opened:
        await opened.write(lambda connection: save_endpoint(connection, an_endpoint()))
        await opened.write(lambda connection: append(connection, [an_event(session=each.session_id) for each in KEYS]))
        opened.count = 0
        yield opened


async def _record_all(outcomes: Outcomes) -> list[object]:
    """Record that each of the three was delivered; return what each brings."""

    async def record(seq: int, key: StreamKey) -> object:
        try:
            return await outcomes.record(key, an_attempt(seq))
        except StorageFullError as error:
            return error

    async with asyncio.TaskGroup() as tasks:
        begun = [tasks.create_task(record(seq, key)) for seq, key in enumerate(KEYS, 1)]
    return [each.result() for each in begun]


async def test_what_ends_at_the_same_time_is_written_together(database: _CountingDatabase) -> None:
    following = await _record_all(Outcomes(database))

    assert following == [(None, None)] * 3
    assert database.count == 1
    assert {state for _, state in await database.read(states)} == {"delivered"}


async def test_what_ends_later_is_written_later(database: _CountingDatabase) -> None:
    outcomes = Outcomes(database)

    for seq, key in enumerate(KEYS, 1):
        assert await outcomes.record(key, an_attempt(seq)) == (None, None)

    assert database.count == 3


async def test_all_learn_that_nothing_was_written_and_can_try_again(database: _CountingDatabase) -> None:
    outcomes = Outcomes(database)
    database.is_full = True

    failed = await _record_all(outcomes)

    assert [type(each) for each in failed] == [StorageFullError] * 3
    assert {state for _, state in await database.read(states)} == {"pending"}
    database.is_full = False
    assert await _record_all(outcomes) == [(None, None)] * 3


async def test_a_closed_database_takes_nothing(tmp_path: Path) -> None:
    outcomes = Outcomes(_CountingDatabase(tmp_path / "manager.db"))

    for _ in range(2):
        with pytest.raises(DrainingError):
            await outcomes.record(MAIN, an_attempt(1))
