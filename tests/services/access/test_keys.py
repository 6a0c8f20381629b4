"""What the HTTP tests cannot see: disks that are full, changes at the same moment, settings that hide addresses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest

from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.callers import ADMIN_KEY, UNIX_SOCKET
from openwa_manager.domain.access.keys import KEYS_MAX, ApiKey, KeyRevoked, KnownKey
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.errors import (
    BeyondOwnRightsError,
    ConflictError,
    InvalidInputError,
    KeyNotFoundError,
    LastAdminError,
    StorageFullError,
)
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.access.admin_key import AdminKeyFile
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.key_store import KeyStore
from openwa_manager.services.access.keys import KeyDraft, Keys
from openwa_manager.services.access.revoked_texts import RevokedTexts
from openwa_manager.services.changes import Changes, Topic
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.store.access.keys import load_keys, save_key
from openwa_manager.store.database import Connection, Database
from openwa_manager.store.reserve import Reserve
from tests.fakes.small_disk import fill, small_disk

ADMIN = KeyDraft(name="an admin", role=Role.ADMIN, has_qr=True, has_chats=True)
VIEWER = KeyDraft(name="a viewer", role=Role.VIEWER)


@dataclass
class Daemon:
    """As much of one as keys need."""

    keys: Keys
    ring: KeyRing
    store: KeyStore
    revoked: Topic[KeyRevoked]

    def opens(self, text: str) -> bool:
        return isinstance(self.ring.identify(text, None), KnownKey)


@asynccontextmanager
async def daemon_in(
    home: Path, *, knows_addresses: bool = True, changes: list[object] | None = None
) -> AsyncIterator[Daemon]:
    clock, background = SystemClock(), BackgroundTasks()
    async with Database(home / "manager.db") as database, asyncio.TaskGroup() as tasks:
        ring = KeyRing(clock, knows_addresses=knows_addresses)
        store = KeyStore(database, AdminKeyFile(home / "admin.key"), RevokedTexts(home / "revoked", database.reserve))
        revoked = Changes().key_revoked
        keys = Keys(ring, store, clock, background, revoked)
        change = await keys.load()
        if changes is not None:
            changes.append(change)
        running = tasks.create_task(background.run())
        yield Daemon(keys, ring, store, revoked)
        running.cancel()


async def test_a_key_is_revoked_although_the_disk_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "24m") as home:
        async with daemon_in(home) as daemon:
            daemon.store.database.reserve.set_aside()
            made = await daemon.keys.create(UNIX_SOCKET, VIEWER)
            fill(home)
            with pytest.raises(StorageFullError):
                await make_many(daemon)

            await daemon.keys.revoke(UNIX_SOCKET, made.key.key_id)

            assert not daemon.opens(made.text)
            assert daemon.store.unrecorded == set()
        (home / "filler").unlink()
        async with daemon_in(home) as daemon:
            assert not daemon.opens(made.text)


async def make_many(daemon: Daemon) -> None:
    """Make more keys than what room is left in the database's log."""
    for _ in range(50):
        await daemon.keys.create(UNIX_SOCKET, VIEWER)


async def test_of_two_admins_only_one_revokes_the_other(tmp_path: Path) -> None:
    async with daemon_in(tmp_path) as daemon:
        first, second = [(await daemon.keys.create(UNIX_SOCKET, ADMIN)).key.key_id for _ in range(2)]
        await daemon.keys.revoke(UNIX_SOCKET, ADMIN_KEY)
        done: list[bool] = []

        async def disable() -> None:
            try:
                await daemon.keys.change(UNIX_SOCKET, first, lambda key: replace(key, is_disabled=True))
            except LastAdminError:
                done.append(False)
            else:
                done.append(True)

        async def revoke() -> None:
            for _ in range(3):  # so that the other one is being written
                await asyncio.sleep(0)
            try:
                await daemon.keys.revoke(UNIX_SOCKET, second)
            except LastAdminError:
                done.append(False)
            else:
                done.append(True)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(disable())
            tasks.create_task(revoke())

        assert sorted(done) == [False, True]


async def test_a_key_that_is_revoked_while_it_is_changed_stays_revoked(tmp_path: Path) -> None:
    async with daemon_in(tmp_path) as daemon:
        made = await daemon.keys.create(UNIX_SOCKET, VIEWER)
        key_id = made.key.key_id

        async def change() -> None:
            with suppress(KeyNotFoundError):  # it may come first, or second
                await daemon.keys.change(UNIX_SOCKET, key_id, lambda key: replace(key, name="other"))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(change())
            for _ in range(3):
                await asyncio.sleep(0)
            await daemon.keys.revoke(UNIX_SOCKET, key_id)

        assert not daemon.opens(made.text)
        kept = await daemon.store.database.read(load_keys)
        assert [each.key_id for each in kept] == [ADMIN_KEY]


async def test_where_nobody_can_tell_addresses_no_key_is_bound_to_any(tmp_path: Path) -> None:
    async with daemon_in(tmp_path, knows_addresses=False) as daemon:
        bound = replace(VIEWER, allowed_ips=(ip_network("192.0.2.0/24"),))

        with pytest.raises(InvalidInputError, match="trusted_proxies"):
            await daemon.keys.create(UNIX_SOCKET, bound)


async def test_there_are_only_so_many_keys(tmp_path: Path) -> None:
    async with daemon_in(tmp_path) as daemon:
        made = await daemon.keys.create(UNIX_SOCKET, VIEWER)

        def fill_up(connection: Connection) -> None:
            for number in range(KEYS_MAX - 2):
                save_key(connection, replace(made.key, key_id=type(made.key.key_id)(f"k{number}")))

        await daemon.store.database.write(fill_up)
        await daemon.keys.load()

        with pytest.raises(ConflictError, match="1000 keys"):
            await daemon.keys.create(UNIX_SOCKET, VIEWER)


async def test_a_list_of_what_was_revoked_that_somebody_wrote_in_still_counts(tmp_path: Path) -> None:
    file = RevokedTexts(tmp_path / "revoked", Reserve(tmp_path / "reserve"))
    await file.add([b"a" * 32])
    (tmp_path / "revoked").write_text((tmp_path / "revoked").read_text() + "hello\n")

    again = RevokedTexts(tmp_path / "revoked", Reserve(tmp_path / "reserve"))
    assert await again.load() == {b"a" * 32}
    await again.add([b"b" * 32])
    assert await RevokedTexts(tmp_path / "revoked", Reserve(tmp_path / "reserve")).load() == {b"a" * 32, b"b" * 32}


def faster(key: ApiKey, per_s: float, burst: float) -> ApiKey:
    return replace(key, rate_per_s=per_s, rate_burst=burst)


async def test_an_admin_for_some_sessions_makes_nothing_faster_than_himself(tmp_path: Path) -> None:
    async with daemon_in(tmp_path) as daemon:
        some = scope_of(["user_1_*"])
        own = await daemon.keys.create(UNIX_SOCKET, replace(ADMIN, scope=some, rate_per_s=30.0, rate_burst=60.0))
        caller = own.key.caller

        for per_s, burst in ((30.5, 60.0), (30.0, 61.0)):
            with pytest.raises(BeyondOwnRightsError):
                await daemon.keys.create(caller, replace(VIEWER, rate_per_s=per_s, rate_burst=burst))
            revise = partial(faster, per_s=per_s, burst=burst)
            with pytest.raises(BeyondOwnRightsError):
                await daemon.keys.change(caller, own.key.key_id, revise)

        made = await daemon.keys.create(caller, replace(VIEWER, rate_per_s=30.0, rate_burst=60.0))
        await daemon.keys.change(caller, made.key.key_id, lambda key: replace(key, rate_per_s=None, rate_burst=None))
        await daemon.keys.change(UNIX_SOCKET, own.key.key_id, lambda key: replace(key, rate_per_s=1.0))
        renamed = await daemon.keys.change(caller, made.key.key_id, lambda key: replace(key, name="renamed"))
        assert renamed.name == "renamed"


async def test_a_caller_is_judged_by_what_his_key_allows_now(tmp_path: Path) -> None:
    """He may have been let in long ago."""
    async with daemon_in(tmp_path) as daemon:
        made = await daemon.keys.create(UNIX_SOCKET, replace(ADMIN, expires_at=SystemClock().now().at + 600))
        caller, key_id = made.key.caller, made.key.key_id
        await daemon.keys.change(UNIX_SOCKET, key_id, lambda key: replace(key, role=Role.VIEWER))

        for call in (daemon.keys.create(caller, ADMIN), daemon.keys.change(caller, key_id, as_admin)):
            with pytest.raises((BeyondOwnRightsError, KeyNotFoundError)):
                await call
        await daemon.keys.revoke(UNIX_SOCKET, key_id)
        for call in (daemon.keys.create(caller, VIEWER), daemon.keys.rotate(caller, ADMIN_KEY, 0)):
            with pytest.raises(BeyondOwnRightsError):
                await call
        with pytest.raises(BeyondOwnRightsError):
            await daemon.keys.revoke(caller, ADMIN_KEY)
        assert [each.key_id for each in daemon.keys.list_for(UNIX_SOCKET)] == [ADMIN_KEY]


def as_admin(key: ApiKey) -> ApiKey:
    return replace(key, role=Role.ADMIN)


async def test_a_revocation_says_who_asked_for_it(tmp_path: Path) -> None:
    """So that his own call goes on, however long the disk takes."""
    async with daemon_in(tmp_path) as daemon:
        told: list[object] = []
        daemon.revoked.subscribe(lambda revoked: told.append(revoked.asked_by))
        made = await daemon.keys.create(UNIX_SOCKET, ADMIN)
        caller, key_id = made.key.caller, made.key.key_id

        await daemon.keys.rotate(caller, key_id, 0)
        await daemon.keys.change(caller, key_id, lambda key: replace(key, role=Role.VIEWER))
        await daemon.keys.revoke(UNIX_SOCKET, key_id)

        assert told == [asyncio.current_task()] * 3


async def test_a_key_that_nobody_can_use_is_no_other_admin(tmp_path: Path) -> None:
    async with daemon_in(tmp_path) as daemon:
        bound = replace(ADMIN, allowed_ips=(ip_network("192.0.2.0/24"),))
        await daemon.keys.create(UNIX_SOCKET, bound)
    async with daemon_in(tmp_path, knows_addresses=False) as daemon:
        with pytest.raises(LastAdminError):
            await daemon.keys.revoke(UNIX_SOCKET, ADMIN_KEY)


@pytest.mark.parametrize("lost", ["has_qr", "has_chats"])
async def test_the_last_admin_keeps_all_that_may_be_handed_out(tmp_path: Path, lost: str) -> None:
    async with daemon_in(tmp_path) as daemon:
        poorer = replace(ADMIN, has_qr=lost != "has_qr", has_chats=lost != "has_chats")
        await daemon.keys.create(UNIX_SOCKET, poorer)

        def lose(key: ApiKey) -> ApiKey:
            return replace(key, has_qr=key.has_qr and lost != "has_qr", has_chats=key.has_chats and lost != "has_chats")

        with pytest.raises(LastAdminError):
            await daemon.keys.change(UNIX_SOCKET, ADMIN_KEY, lose)
        with pytest.raises(LastAdminError):
            await daemon.keys.revoke(UNIX_SOCKET, ADMIN_KEY)


async def test_what_the_file_did_to_the_admins_key_is_told_to_the_audit(tmp_path: Path) -> None:
    file, changes = tmp_path / "admin.key", list[object]()
    async with daemon_in(tmp_path, changes=changes) as daemon:
        await daemon.keys.create(UNIX_SOCKET, ADMIN)
    async with daemon_in(tmp_path, changes=changes):
        pass
    file.write_text("owm_admin_" + "0" * 64)
    async with daemon_in(tmp_path, changes=changes):
        pass
    file.unlink()
    async with daemon_in(tmp_path, changes=changes):
        pass

    assert changes == [Action.CREATE_KEY, None, Action.ROTATE_KEY, Action.REVOKE_KEY]


async def test_a_key_bound_to_a_time_frees_itself_through_no_other_key(tmp_path: Path) -> None:
    async with daemon_in(tmp_path) as daemon:
        bound = await daemon.keys.create(UNIX_SOCKET, replace(ADMIN, expires_at=SystemClock().now().at + 600))
        viewer = await daemon.keys.create(UNIX_SOCKET, VIEWER)
        disabled = await daemon.keys.create(UNIX_SOCKET, replace(VIEWER, is_disabled=True))
        caller = bound.key.caller

        with pytest.raises(BeyondOwnRightsError):
            await daemon.keys.change(caller, viewer.key.key_id, as_admin)
        with pytest.raises(BeyondOwnRightsError):
            await daemon.keys.change(caller, disabled.key.key_id, lambda key: replace(key, is_disabled=False))
        await daemon.keys.change(caller, viewer.key.key_id, lambda key: replace(key, name="renamed", is_disabled=True))


async def test_a_text_in_its_overlap_is_none_of_a_copy_that_is_put_back(tmp_path: Path) -> None:
    """There it would be the key's own text, and never end."""
    async with daemon_in(tmp_path) as daemon:
        made = await daemon.keys.create(UNIX_SOCKET, VIEWER)
    copy = (tmp_path / "manager.db").read_bytes()
    async with daemon_in(tmp_path) as daemon:
        rotated = await daemon.keys.rotate(UNIX_SOCKET, made.key.key_id, 600)
        assert daemon.opens(made.text)
    async with daemon_in(tmp_path) as daemon:
        assert (daemon.opens(made.text), daemon.opens(rotated.text)) == (True, True)

    (tmp_path / "manager.db").write_bytes(copy)
    async with daemon_in(tmp_path) as daemon:
        assert (daemon.opens(made.text), daemon.opens(rotated.text)) == (False, False)


@pytest.mark.parametrize(
    "name", ["admin.key", " Admin.Key ", "admin.key\u200b", "unknown", "pairing link", "owm_k1_0000"]
)
async def test_no_key_is_called_as_one_who_acts_without_or_like_a_key(tmp_path: Path, name: str) -> None:
    async with daemon_in(tmp_path) as daemon:
        with pytest.raises(InvalidInputError):
            await daemon.keys.create(UNIX_SOCKET, replace(VIEWER, name=name))
