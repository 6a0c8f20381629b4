import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openwa_manager.domain.access.audit import REFUSED, NewEntry
from openwa_manager.domain.errors import DrainingError, StorageFullError
from openwa_manager.domain.session.session import SessionId
from openwa_manager.services.access.audit import RETRY_S, TALLY_PERIOD_S, WRITTEN_WITHIN_S, Audit
from openwa_manager.services.access.audit_trail import AuditTrail
from openwa_manager.services.access.waiting_entries import LOST, WAITING_MAX
from openwa_manager.store.access.audit import AuditSelection
from openwa_manager.store.database import Database
from tests.fakes.clock import FakeClock
from tests.fakes.polling import until

ENTRY = NewEntry(actor="shop", action="session.stop", session_id=SessionId("acme"))


@dataclass
class Desk:
    """An audit, and what lies on disk of it."""

    audit: Audit
    database: Database
    clock: FakeClock
    path: Path

    async def told(self) -> list[NewEntry]:
        """Return the rows, read while nothing else is."""
        rows = await AuditTrail(self.database).page(0, 100_000, AuditSelection())
        return [each.entry for each in rows]

    async def fill(self) -> None:
        """Let the database take no more pages, as a full disk does."""
        await self.database.write(_fill)

    async def clear(self) -> None:
        """Make room."""
        await self.database.write(_clear)


def _fill(connection: sqlite3.Connection) -> None:
    (count,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {count}")


def _clear(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA max_page_count = 1000000")


LARGE = replace(ENTRY, detail={"what": "x" * 20_000})  # it needs pages of its own, so a full database has none


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = FakeClock()
    async with Database(tmp_path / "manager.db") as database:
        yield Desk(Audit(database, clock), database, clock, tmp_path / "manager.db")


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(desk.audit.run())
        await desk.clock.until_sleeping()
        yield
        task.cancel()


def put(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO engine_event VALUES ('s', 'k', 0)")


async def test_an_entry_is_on_disk_with_the_next_write_in_its_commit(desk: Desk) -> None:
    commits: list[str] = []
    await desk.database.write(
        lambda c: c.set_trace_callback(lambda sql: commits.append(sql) if "COMMIT" in sql else None)
    )
    desk.audit.note(ENTRY)

    await desk.database.write(put)

    await desk.database.write(lambda c: c.set_trace_callback(None))
    assert await desk.told() == [ENTRY]
    assert len(commits) == 2  # this one, and that of setting it up


async def test_an_entry_that_nothing_follows_is_written_soon(desk: Desk) -> None:
    async with running(desk):
        desk.audit.note(ENTRY)
        await desk.clock.until_sleeping()

        await desk.clock.advance(WRITTEN_WITHIN_S)
        await until_told(desk, 1)

    assert await desk.told() == [ENTRY]


async def until_told(desk: Desk, count: int) -> None:
    async with asyncio.timeout(20):
        while len(await desk.told()) < count:
            await desk.clock.advance(0)


async def test_a_recorded_entry_is_on_disk(desk: Desk) -> None:
    await desk.audit.record(ENTRY)

    assert await desk.told() == [ENTRY]


async def test_an_entry_may_be_said_otherwise_until_it_is_written(desk: Desk) -> None:
    pending = desk.audit.begin(ENTRY)

    assert desk.audit.change(pending, replace(ENTRY, result=REFUSED))
    await desk.audit.require(pending)

    assert not desk.audit.change(pending, ENTRY)
    assert not desk.audit.withdraw(pending)
    assert await desk.told() == [replace(ENTRY, result=REFUSED)]


async def test_an_entry_that_is_withdrawn_is_never_written(desk: Desk) -> None:
    pending = desk.audit.begin(ENTRY)

    assert desk.audit.withdraw(pending)
    assert desk.audit.withdraw(pending)
    await desk.audit.require(pending)

    assert await desk.told() == []


async def test_a_failing_write_does_not_take_back_the_entry_before_it(desk: Desk) -> None:
    desk.audit.note(ENTRY)

    with pytest.raises(sqlite3.IntegrityError):
        await desk.database.write(lambda c: c.execute("INSERT INTO audit_chain VALUES (1, 0, x'', 0, x'')"))

    assert await desk.told() == [ENTRY]


async def test_what_is_done_often_is_told_once_a_minute(desk: Desk) -> None:
    async with running(desk):
        for _ in range(1000):
            desk.audit.count(ENTRY)

        await desk.clock.advance(TALLY_PERIOD_S)
        await until_told(desk, 1)

    assert await desk.told() == [replace(ENTRY, detail={"count": 1000})]


async def test_what_is_refused_is_told_soon_and_then_once_a_minute(desk: Desk) -> None:
    refused = replace(ENTRY, result=REFUSED)
    async with running(desk):
        for _ in range(1000):
            desk.audit.refuse(refused)

        await desk.clock.advance(WRITTEN_WITHIN_S)
        await until_told(desk, 1)
        await desk.clock.until_sleeping()
        await desk.clock.advance(TALLY_PERIOD_S)
        await until_told(desk, 2)

    assert await desk.told() == [refused, replace(refused, detail={"count": 999})]


async def test_what_is_counted_is_written_at_the_end(desk: Desk) -> None:
    desk.audit.count(ENTRY)
    desk.audit.note(ENTRY)

    await desk.audit.finish()

    assert await desk.told() == [ENTRY, replace(ENTRY, detail={"count": 1})]


async def test_a_full_disk_refuses_what_must_be_recorded_and_takes_it_back(desk: Desk) -> None:
    await desk.fill()

    with pytest.raises(StorageFullError, match="audit"):
        await desk.audit.record(LARGE)

    assert desk.audit.is_hindered
    await desk.clear()
    await desk.audit.finish()
    assert await desk.told() == []


async def test_what_may_happen_unrecorded_is_written_once_there_is_room(desk: Desk) -> None:
    await desk.fill()
    pending = desk.audit.begin(LARGE)

    await desk.audit.require(pending, is_unhindered=True)
    async with running(desk):
        await desk.clear()
        await desk.clock.advance(WRITTEN_WITHIN_S)
        await until_told(desk, 1)

    assert not desk.audit.is_hindered
    assert await desk.told() == [LARGE]


async def test_a_full_disk_is_tried_again(desk: Desk) -> None:
    await desk.fill()
    desk.audit.note(LARGE)
    async with running(desk):
        await desk.clock.advance(WRITTEN_WITHIN_S)
        await until(lambda: desk.audit.is_hindered)
        await desk.clear()
        await desk.clock.until_sleeping()

        await desk.clock.advance(RETRY_S + WRITTEN_WITHIN_S)
        await until_told(desk, 1)


async def test_entries_that_cannot_be_written_do_not_hinder_other_writes(desk: Desk) -> None:
    await desk.fill()
    pending = desk.audit.begin(LARGE)
    await desk.audit.require(pending, is_unhindered=True)

    await desk.database.write(put)

    assert await desk.told() == []


async def test_nothing_is_refused_where_the_audit_is_not_required(desk: Desk) -> None:
    audit = Audit(desk.database, desk.clock, is_required=False)
    await desk.fill()

    await audit.record(LARGE)
    await desk.clear()
    await audit.finish()

    assert await desk.told() == [LARGE]


async def test_what_finds_no_room_in_memory_is_counted(desk: Desk) -> None:
    await desk.fill()
    await desk.audit.require(desk.audit.begin(LARGE), is_unhindered=True)
    for _ in range(WAITING_MAX + 4):
        desk.audit.note(ENTRY)
    await desk.clear()

    await desk.audit.finish()

    told = await desk.told()
    assert len(told) == WAITING_MAX + 1
    assert told[0] == LARGE
    assert (told[-1].action, told[-1].detail) == (LOST, {"count": 5})


async def test_what_must_be_recorded_is_refused_when_it_finds_no_room_in_memory_either(desk: Desk) -> None:
    await desk.fill()
    await desk.audit.require(desk.audit.begin(LARGE), is_unhindered=True)
    for _ in range(WAITING_MAX):
        desk.audit.note(ENTRY)

    with pytest.raises(StorageFullError, match="audit"):
        await desk.audit.record(ENTRY)
    await desk.audit.require(desk.audit.begin(ENTRY), is_unhindered=True)


async def test_the_order_is_kept_over_a_full_disk(desk: Desk) -> None:
    await desk.fill()
    await desk.audit.require(desk.audit.begin(LARGE), is_unhindered=True)
    numbered = [replace(ENTRY, target=str(number)) for number in range(1000)]
    for each in numbered:
        desk.audit.note(each)
    await desk.clear()

    await desk.audit.finish()

    assert await desk.told() == [LARGE, *numbered]


async def test_a_closed_database_says_that_it_is(tmp_path: Path) -> None:
    async with Database(tmp_path / "manager.db") as database:
        audit = Audit(database, FakeClock())

    with pytest.raises(DrainingError):
        await audit.record(ENTRY)
