from functools import partial
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.errors import StoreDamagedError
from openwa_manager.store.backup.restore import restore_newest
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.outbox import append, read_events


async def tell(database: Database, event_type: str) -> None:
    await database.write(partial(append, events=[Event(type=event_type, occurred_at=1.0)]))


def damage(path: Path) -> None:
    path.write_bytes(b"\xff" * 10_000)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


async def test_the_newest_sound_copy_takes_the_place_of_a_damaged_database(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "manager.db"
    async with Database(path) as database:
        for name in ("1", "2", "3"):
            await tell(database, f"before.{name}")
            await database.snapshot(copies / f"manager-{name}.db")
    damage(copies / "manager-3.db")
    damage(path)
    with pytest.raises(StoreDamagedError):
        await Database(path).open()

    restored = restore_newest(path, copies, at=9.0)

    assert restored == copies / "manager-2.db"
    async with Database(path) as database:
        types = [stored.event.type for stored in (await database.read(read_events)).events]
    assert types == ["before.1", "before.2"]
    assert (tmp_path / "manager.db.damaged-9").read_bytes() == b"\xff" * 10_000
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_copy_is_found_in_a_home_whose_name_means_something_in_a_uri(tmp_path: Path) -> None:
    home = tmp_path / "a b%20#?c"
    copies = home / "copies"
    copies.mkdir(parents=True)
    path = home / "manager.db"
    async with Database(path) as database:
        await tell(database, "before")
        await database.snapshot(copies / "manager-1.db")
    damage(path)

    restored = restore_newest(path, copies, at=9.0)

    assert restored == copies / "manager-1.db"
    async with Database(path) as database:
        assert [stored.event.type for stored in (await database.read(read_events)).events] == ["before"]


async def test_a_log_of_the_damaged_file_is_put_aside_with_it(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "manager.db"
    damage(path)
    damage(tmp_path / "manager.db-wal")

    restore_newest(path, copies, at=9.0)

    assert sorted(file.name for file in tmp_path.glob("manager.db*")) == [
        "manager.db.damaged-9",
        "manager.db.damaged-9-wal",
    ]


async def test_without_a_copy_the_next_database_is_empty(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "manager.db"
    damage(path)

    assert restore_newest(path, copies, at=9.0) is None

    async with Database(path) as database:
        assert (await database.read(read_events)).events == []
