import asyncio
import sqlite3
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from openwa_manager.domain.access.audit import TRIMMED, NewEntry
from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.policy import MessageRetention
from openwa_manager.services.messaging.generations import Generations
from openwa_manager.services.upkeep import store_upkeep
from openwa_manager.services.upkeep.store_upkeep import StoreUpkeep
from openwa_manager.store.access import audit
from openwa_manager.store.backup.generation_file import GenerationFile
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.backlog import read_backlog
from openwa_manager.store.delivery.endpoints import save_endpoint
from openwa_manager.store.delivery.outbox import append, read_events
from openwa_manager.store.delivery.retention import SLICE, Retention
from tests.fakes.clock import FakeClock
from tests.services.delivery.dispatch_setup import an_endpoint, an_event

DAY_S = 86_400.0


def upkeep(clock: FakeClock, database: Database, copies: Path) -> StoreUpkeep:
    return StoreUpkeep(
        clock, database, copies, Generations(database, clock, GenerationFile(copies / "generation")), MessageRetention()
    )


async def test_every_hour_old_events_are_forgotten_and_the_database_is_copied(tmp_path: Path) -> None:
    clock = FakeClock()
    old, young = (Event(type="x", occurred_at=clock.now().at - days * DAY_S) for days in (8, 1))
    copies = tmp_path / "copies"
    copies.mkdir()
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(append, events=[old] * 5000 + [young]))
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(upkeep(clock, database, copies).run())
            await clock.until_sleeping(2)

            await clock.advance(3600.0)

            while not list(copies.glob("manager-*.db")):
                await database.read(read_events)
            run.cancel()

        assert [stored.event for stored in (await database.read(read_events)).events] == [young]


async def test_rows_of_the_audit_are_kept_for_a_year(tmp_path: Path) -> None:
    clock = FakeClock()
    now, entry = clock.now().at, NewEntry(actor="shop", action="session.stop")
    copies = tmp_path / "copies"
    copies.mkdir()
    async with Database(tmp_path / "manager.db") as database, asyncio.TaskGroup() as tasks:
        for days in (366, 365.5, 364):
            await database.write(partial(audit.append, entries=[(now - days * DAY_S, entry)]))
        run = tasks.create_task(upkeep(clock, database, copies).run())
        await clock.until_sleeping(2)

        await clock.advance(3600.0)

        while not list(copies.glob("manager-*.db")):
            await database.read(read_events)
        left = await database.read(partial(audit.window_after, after=0, limit=9, selection=audit.AuditSelection()))
        run.cancel()
    assert [(each.seq, each.entry.action) for each in left.rows] == [(3, entry.action), (4, TRIMMED)]


async def test_the_hourly_copies_are_kept_apart_from_those_made_before_a_migration(tmp_path: Path) -> None:
    clock = FakeClock()
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("before-migration-0002.db", "manager-1.db", "manager-2.db", "manager-3.db"):
        (copies / name).touch()
    async with Database(tmp_path / "manager.db") as database, asyncio.TaskGroup() as tasks:
        run = tasks.create_task(upkeep(clock, database, copies).run())
        await clock.until_sleeping(2)

        await clock.advance(3600.0)

        while (copies / "manager-1.db").exists():
            await database.read(read_events)
        run.cancel()

    kept = sorted(copy.name for copy in copies.iterdir())
    assert len(kept) == 4
    assert kept[0] == "before-migration-0002.db"


async def test_a_copy_made_after_the_wall_clock_was_set_back_is_the_newest_nevertheless(tmp_path: Path) -> None:
    clock = FakeClock()
    copies = tmp_path / "copies"
    copies.mkdir()
    later = int(clock.now().at) + 864_000
    for number in range(3):
        (copies / f"manager-{later + number}.db").touch()
    async with Database(tmp_path / "manager.db") as database, asyncio.TaskGroup() as tasks:
        run = tasks.create_task(upkeep(clock, database, copies).run())
        await clock.until_sleeping(2)

        await clock.advance(3600.0)

        while (copies / f"manager-{later}.db").exists():
            await database.read(read_events)
        run.cancel()

    newest = max(copies.iterdir())
    assert newest.name == f"manager-{later + 3}.db"
    assert newest.stat().st_size > 0


def overfill(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE backlog SET row_count = 195000")


async def test_every_minute_passing_events_make_room_in_a_backlog_that_is_nearly_full(tmp_path: Path) -> None:
    clock = FakeClock()
    kinds = ("session.status", "presence.update", "message.received", "call.x")
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(save_endpoint, endpoint=an_endpoint()))
        await database.write(partial(append, events=[an_event(event_type=kind) for kind in kinds]))
        await database.write(overfill)
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(upkeep(clock, database, tmp_path).run())
            await clock.until_sleeping(2)

            await clock.advance(60.0)

            while (await database.read(read_backlog)).row_count == 195_000:
                pass
            run.cancel()

        assert (await database.read(read_backlog)).row_count == 194_998


async def test_of_too_many_events_the_newest_are_kept_however_far_their_numbers_leap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_upkeep, "RETENTION", Retention(delivered_max=3))
    clock = FakeClock()
    young = Event(type="x", occurred_at=clock.now().at)
    leap = "UPDATE sqlite_sequence SET seq = seq + 5000000 WHERE name = 'event'"
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(append, events=[young] * 4))
        await database.write(lambda connection: connection.execute(leap))
        await database.write(partial(append, events=[young] * 2))

        await upkeep(clock, database, tmp_path).forget(clock.now().at)
        kept = await database.read(read_events)

    assert [each.seq for each in kept.events] == [4, 5_000_005, 5_000_006]


async def test_others_write_between_any_two_slices_of_what_is_forgotten(tmp_path: Path) -> None:
    clock = FakeClock()
    old = Event(type="x", occurred_at=clock.now().at - 8 * DAY_S)
    left = list[int]()
    async with Database(tmp_path / "manager.db") as database:
        await database.write(partial(append, events=[old] * (40 * SLICE)))
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(upkeep(clock, database, tmp_path).run())
            await clock.until_sleeping(2)
            await clock.advance(3600.0)
            while not left or left[-1]:
                left.append(await database.write(count_events))
            run.cancel()

    assert max(before - after for before, after in pairwise([40 * SLICE, *left])) <= 2 * SLICE


def count_events(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM event").fetchone()
    return int(count)
