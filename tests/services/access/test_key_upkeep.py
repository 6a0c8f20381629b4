import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import ApiKey, KeyRevoked
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.secret_hashes import sha256_of
from openwa_manager.services.access.admin_key import AdminKeyFile
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.key_store import KeyStore
from openwa_manager.services.access.key_upkeep import KeyUpkeep
from openwa_manager.services.access.revoked_texts import RevokedTexts
from openwa_manager.services.changes import Changes
from openwa_manager.store.access.keys import load_keys, save_key
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.reserve import Reserve
from tests.fakes.clock import FakeClock

TEXT = "owm_k1_" + "0" * 64
KEY = ApiKey(
    key_id=KeyId("k1"),
    name="a key",
    role=Role.VIEWER,
    secret_sha256=sha256_of(TEXT),
    created_at=1.0,
    created_by="admin",
)
#: What the contract gives the last use on disk.
RECORDED_S = 300.0


@dataclass
class Keeping:
    """A ring with one key, its upkeep at work, and what was published."""

    ring: KeyRing
    clock: FakeClock
    database: Database
    store: KeyStore
    revoked: list[KeyRevoked]

    async def recorded(self) -> float | None:
        """Return when the key was last used, as it is on disk."""
        (key,) = await self.database.read(load_keys)
        return key.last_used_at

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and what is written then be on disk."""
        await self.clock.until_sleeping(2)
        await self.clock.advance(seconds)
        await self.clock.until_sleeping(2)
        await self.database.write(_nothing)


def store_in(home: Path, database: Database) -> KeyStore:
    return KeyStore(database, AdminKeyFile(home / "admin.key"), RevokedTexts(home / "revoked", database.reserve))


def _nothing(_: Connection) -> None:
    """Be written behind all that was before."""


@asynccontextmanager
async def keeping(home: Path, database: Database, key: ApiKey) -> AsyncIterator[Keeping]:
    def save(connection: Connection) -> None:
        save_key(connection, key)

    await database.write(save)
    clock, changes = FakeClock(), Changes()
    kept = Keeping(KeyRing(clock), clock, database, store_in(home, database), [])
    changes.key_revoked.subscribe(kept.revoked.append)
    kept.ring.fill([key], None)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(KeyUpkeep(kept.ring, kept.store, clock, changes.key_revoked).run())
        yield kept
        running.cancel()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "manager.db") as opened:
        yield opened


async def test_a_key_is_revoked_the_moment_it_is_over(tmp_path: Path, database: Database) -> None:
    over_at = FakeClock().now().at + 60
    async with keeping(tmp_path, database, replace(KEY, expires_at=over_at)) as kept:
        await kept.clock.advance(59.9)
        assert kept.revoked == []

        await kept.clock.advance(0.1)
        assert kept.revoked == [KeyRevoked(key_id=KEY.key_id)]
        await kept.clock.advance(100)
        assert len(kept.revoked) == 1


async def test_the_text_before_a_rotation_ends_with_the_overlap(tmp_path: Path, database: Database) -> None:
    until = FakeClock().now().at + 60
    async with keeping(tmp_path, database, replace(KEY, previous_sha256=b"before", previous_until=until)) as kept:
        await kept.clock.advance(60)

        assert kept.revoked == [KeyRevoked(key_id=KEY.key_id, secret_sha256=b"before")]


async def test_a_text_that_ended_while_no_daemon_ran_stays_dead(tmp_path: Path, database: Database) -> None:
    rotated = replace(KEY, previous_sha256=b"before", previous_until=1.0)
    async with keeping(tmp_path, database, rotated) as kept:
        await kept.clock.until_sleeping(2)

    assert await RevokedTexts(tmp_path / "revoked", Reserve(tmp_path / "reserve")).load() == {b"before"}


async def test_an_end_that_is_set_later_counts_too(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, KEY) as kept:
        await kept.clock.advance(1_000)
        kept.ring.put(replace(KEY, expires_at=kept.clock.now().at + 5))
        await kept.clock.advance(5)

        assert kept.revoked == [KeyRevoked(key_id=KEY.key_id)]


async def test_an_end_is_seen_soon_when_the_wall_clock_is_set(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, replace(KEY, expires_at=FakeClock().now().at + 3_600)) as kept:
        await kept.clock.advance(1)
        kept.clock.jump_wall(3_600)
        await kept.clock.advance(10)

        assert kept.revoked == [KeyRevoked(key_id=KEY.key_id)]


async def test_what_was_over_before_is_not_told(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, replace(KEY, expires_at=1.0)) as kept:
        await kept.clock.advance(100)

        assert kept.revoked == []


async def test_the_last_use_is_on_disk_within_five_minutes(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, KEY) as kept:
        for _ in range(100):
            kept.ring.identify(TEXT, None)
        used_at = kept.clock.now().at
        assert await kept.recorded() is None
        await kept.pass_time(RECORDED_S)

        assert await kept.recorded() == used_at


async def test_the_last_use_is_on_disk_when_the_daemon_ends(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, KEY) as kept:
        await kept.clock.until_sleeping(2)
        kept.ring.identify(TEXT, None)

    assert await kept.recorded() == kept.clock.now().at


async def test_a_key_that_is_refused_was_not_used(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, replace(KEY, is_disabled=True)) as kept:
        kept.ring.identify(TEXT, None)

        assert kept.ring.used() == {}


async def test_a_removal_that_could_not_be_recorded_is_made_up_for(tmp_path: Path, database: Database) -> None:
    async with keeping(tmp_path, database, KEY) as kept:
        kept.ring.drop(KEY.key_id)
        kept.store.unrecorded.add(KEY.key_id)
        await kept.pass_time(10)

        assert await database.read(load_keys) == []
        assert kept.store.unrecorded == set()
