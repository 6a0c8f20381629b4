"""Makes, shows, changes, rotates and revokes API keys: nobody hands out more than he has."""

import asyncio
import secrets
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

import structlog

from openwa_manager.domain.access.actions import Action
from openwa_manager.domain.access.buckets import CALLS, Rate
from openwa_manager.domain.access.callers import ADMIN_KEY, Caller, KeyId
from openwa_manager.domain.access.keys import (
    EXPIRY_MAX_S,
    KEYS_MAX,
    KEYS_OF_LIMITED_MAX,
    ApiKey,
    KeyRevoked,
    Network,
    is_narrowed,
    is_within,
    name_problem,
    outlasts,
)
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import SessionScope
from openwa_manager.domain.access.secret_hashes import sha256_of
from openwa_manager.domain.errors import (
    BeyondOwnRightsError,
    ConflictError,
    InvalidInputError,
    KeyNotFoundError,
    LastAdminError,
    StorageFullError,
)
from openwa_manager.domain.ports import Clock
from openwa_manager.domain.values import dataclass
from openwa_manager.services.access.admin_key import new_key_text
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.key_store import KeyStore
from openwa_manager.services.changes import Topic
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.store.access.keys import load_keys, remove_key, save_key

_log = structlog.get_logger()

#: 48 random bits: ids are compared with those there are, never guessed.
_ID_BYTES = 6


def new_key_id() -> KeyId:
    """Return an id that no key has."""
    return KeyId(secrets.token_hex(_ID_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDraft:
    """What a new key is to be; `scope` None: the sessions of whoever makes it."""

    name: str
    role: Role
    scope: SessionScope | None = None
    has_qr: bool = False
    has_chats: bool = False
    allowed_ips: tuple[Network, ...] = ()
    rate_per_s: float | None = None
    rate_burst: float | None = None
    expires_at: float | None = None
    is_disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key with its text, which is shown this once."""

    key: ApiKey
    text: str


class Keys:
    """Makes, shows, changes, rotates and revokes API keys.

    `revoked` is published when a key lets in no more, or to less than it did. `default_rate` is that of keys that have
    none of their own.
    """

    def __init__(
        self,
        ring: KeyRing,
        store: KeyStore,
        clock: Clock,
        background: BackgroundTasks,
        revoked: Topic[KeyRevoked],
        default_rate: Rate = CALLS,
    ) -> None:
        self._ring = ring
        self._store = store
        self._clock = clock
        self._background = background
        self._revoked = revoked
        self._default_rate = default_rate
        self._changing = asyncio.Lock()
        #: What keys are about to be, while that is written.
        self._coming: dict[KeyId, ApiKey] = {}

    async def load(self) -> Action | None:
        """Read all keys; the file `admin.key` is made when there is none and no other key is an unlimited admin's.

        Return what the file did to the key `admin` since the last start, for the audit; None: nothing.

        Raises:
            ConfigError: others may read or have made the file, or it holds no key.
            OSError: the file cannot be read or made.
        """
        dead = await self._store.revoked.load()
        kept = {each.key_id: each for each in await self._store.database.read(load_keys)}
        former, at = kept.pop(ADMIN_KEY, None), self._clock.now().at
        self._leave_out(kept, dead)
        text = await asyncio.to_thread(self._store.file.read)
        if text is not None and sha256_of(text) in dead:
            _log.warning(
                "admin_key_was_revoked", hint="remove the file: a new one is made when there is no other admin"
            )
            text = None
        if text is None and not any(each.is_unlimited_admin and self._ring.lets_in(each, at) for each in kept.values()):
            text = await asyncio.to_thread(self._store.file.make)
        admin = _admin_of(text, former, at)
        self._ring.fill((*(() if admin is None else (admin,)), *kept.values()), text)
        if bound := [each.key_id for each in self._ring.all() if each.allowed_ips and not self._ring.knows_addresses]:
            _log.warning("keys_refused_without_addresses", key_ids=bound, hint="set trusted_proxies")
        if admin == former:
            return None
        await self._record_admin(admin)
        if admin is None:
            return Action.REVOKE_KEY
        return Action.CREATE_KEY if former is None else Action.ROTATE_KEY

    def list_for(self, caller: Caller) -> list[ApiKey]:
        """Return the keys that allow no more than the caller may himself, oldest first."""
        return [each for each in self._ring.all() if is_within(each, caller)]

    def get(self, caller: Caller, key_id: KeyId) -> ApiKey:
        """Return a key.

        Raises:
            KeyNotFoundError: there is none of this id, or it allows more than the caller may.
        """
        key = self._ring.find(key_id)
        if key is None or not is_within(key, caller):
            raise KeyNotFoundError("there is no such key")
        return key

    async def create(self, caller: Caller, draft: KeyDraft, key_id: KeyId | None = None) -> NewKey:
        """Make a key; `key_id` is one of `new_key_id`, None: a new one.

        Raises:
            BeyondOwnRightsError: it would allow more than the caller may, or ask more often.
            InvalidInputError: it would be over already, or be bound to addresses that nobody can tell.
            ConflictError: there are as many as there can be.
        """
        key_id, now = key_id or new_key_id(), self._clock.now().at
        text = new_key_text(key_id)
        key = ApiKey(
            key_id=key_id,
            name=draft.name,
            role=draft.role,
            scope=draft.scope or caller.scope,
            has_qr=draft.has_qr,
            has_chats=draft.has_chats,
            allowed_ips=draft.allowed_ips,
            rate_per_s=draft.rate_per_s,
            rate_burst=draft.rate_burst,
            expires_at=draft.expires_at,
            is_disabled=draft.is_disabled,
            secret_sha256=sha256_of(text),
            created_at=now,
            created_by=caller.key_id or caller.name,
        )
        await self._background.finish(partial(self._add, caller, key))
        return NewKey(key=key, text=text)

    async def change(self, caller: Caller, key_id: KeyId, revise: Callable[[ApiKey], ApiKey]) -> ApiKey:
        """Make a key what `revise` makes of it; where it allows less than before, its open calls are ended.

        Raises:
            KeyNotFoundError: there is none of this id, or it allows more than the caller may.
            BeyondOwnRightsError: it would allow more than the caller may, or ask more often.
            InvalidInputError: it would be over already, or be bound to addresses that nobody can tell.
            LastAdminError: it is the last usable key of an unlimited admin, and would be none any more, or end with
                nobody left.
        """
        asked_by = asyncio.current_task()
        return await self._background.finish(partial(self._change, caller, key_id, revise, asked_by))

    async def rotate(self, caller: Caller, key_id: KeyId, overlap_s: float) -> NewKey:
        """Give a key a new text; the one before holds for `overlap_s` more.

        Raises:
            KeyNotFoundError: there is none of this id, or it allows more than the caller may.
            BeyondOwnRightsError: the caller's own key is bound to a time or to addresses, and this one is not.
            StorageFullError: the file of the admin's key could not be written; nothing is changed.
        """
        asked_by = asyncio.current_task()
        return await self._background.finish(partial(self._rotate, caller, key_id, overlap_s, asked_by))

    async def revoke(self, caller: Caller, key_id: KeyId) -> None:
        """Remove a key: from now on it lets nobody in, also when the disk is full, and its open calls are ended.

        Raises:
            KeyNotFoundError: there is none of this id, or it allows more than the caller may.
            LastAdminError: it is the last usable key of an unlimited admin.
        """
        key = self.get(self._as_he_is(caller), key_id)
        self._require_other_admin(key, self._clock.now().at)
        # First of all here, where nothing waits for a disk: whoever cancels us finds it gone.
        self._ring.drop(key_id)
        self._store.unrecorded.add(key_id)
        self._revoked.publish(KeyRevoked(key_id=key_id, asked_by=asyncio.current_task()))
        await self._background.finish(partial(self._record_removal, key))

    async def _record_removal(self, key: ApiKey) -> None:
        await self._store.retire(key.texts(self._clock.now().at))
        await self._store.remove(key.key_id)

    def _as_he_is(self, caller: Caller) -> Caller:
        """Return what a caller may now: his key may have been changed since he was let in.

        Raises:
            BeyondOwnRightsError: it was revoked.
        """
        if caller.key_id is None:
            return caller
        own = self._ring.find(caller.key_id)
        if own is None or not self._ring.lets_in(own, self._clock.now().at):
            raise BeyondOwnRightsError("the key that asks for this holds no more")
        return own.caller

    def _leave_out(self, kept: dict[KeyId, ApiKey], dead: Collection[bytes]) -> None:
        """Leave out the keys that were revoked since this database was copied, if it is a copy that was put back."""
        for key in tuple(kept.values()):
            if key.secret_sha256 in dead:
                del kept[key.key_id]
                self._store.unrecorded.add(key.key_id)
                _log.warning("revoked_key_left_out", key_id=key.key_id, name=key.name)

    async def _add(self, caller: Caller, key: ApiKey) -> None:
        async with self._changing:
            caller = self._as_he_is(caller)
            self._check(caller, key, None)
            if len(self._ring.all()) >= KEYS_MAX:
                raise ConflictError(f"there are {KEYS_MAX} keys already; remove one first")
            # His keys may make others: all of them are among those that he sees.
            if not caller.scope.is_unlimited and len(self.list_for(caller)) >= KEYS_OF_LIMITED_MAX:
                raise ConflictError(
                    f"there are {KEYS_OF_LIMITED_MAX} keys for these sessions already; remove one first"
                )
            await self._store.database.write(partial(save_key, key=key))
            self._ring.put(key)

    async def _change(
        self, caller: Caller, key_id: KeyId, revise: Callable[[ApiKey], ApiKey], asked_by: object
    ) -> ApiKey:
        async with self._changing:
            caller = self._as_he_is(caller)
            before = self.get(caller, key_id)
            key = revise(before)
            self._check(caller, key, before)
            ends_at = key.expires_at if key.is_unlimited_admin and not key.is_disabled else self._clock.now().at
            if ends_at is not None and (before.expires_at is None or ends_at < before.expires_at):
                self._require_other_admin(before, ends_at)
            await self._save(key)
        if is_narrowed(key, before):
            self._revoked.publish(KeyRevoked(key_id=key_id, asked_by=asked_by))
        return key

    async def _rotate(self, caller: Caller, key_id: KeyId, overlap_s: float, asked_by: object) -> NewKey:
        async with self._changing:
            caller = self._as_he_is(caller)
            before = self.get(caller, key_id)
            self._require_as_bound(caller, before)
            text = new_key_text(key_id)
            until = self._clock.now().at + overlap_s if overlap_s else None
            key = replace(
                before,
                secret_sha256=sha256_of(text),
                previous_sha256=before.secret_sha256 if overlap_s else None,
                previous_until=until,
            )
            await self._save(key)
            if key_id == ADMIN_KEY:
                await self._write_file(text, before)
        now = self._clock.now().at
        ended = before.texts(now) - key.texts(now)
        for each in ended:
            self._revoked.publish(KeyRevoked(key_id=key_id, secret_sha256=each, asked_by=asked_by))
        # Also the one that holds for a while yet: in a copy of the database it is the key's own, and has no end.
        await self._store.retire({*ended, before.secret_sha256})
        return NewKey(key=key, text=text)

    async def _write_file(self, text: str, before: ApiKey) -> None:
        try:
            await asyncio.to_thread(self._store.file.write, text)
        except OSError as error:
            await self._save(before)
            raise StorageFullError(f"admin.key cannot be written: {error}") from error

    async def _save(self, key: ApiKey) -> None:
        """Record a key that is changed, unless it is removed meanwhile."""
        self._coming[key.key_id] = key
        try:
            await self._store.database.write(partial(save_key, key=key))
        finally:
            del self._coming[key.key_id]
        if self._ring.find(key.key_id) is None:
            raise KeyNotFoundError("there is no such key any more")
        self._ring.put(key)

    async def _record_admin(self, admin: ApiKey | None) -> None:
        """Record what the file says; the next start finds out the same again."""
        change = partial(remove_key, key_id=ADMIN_KEY) if admin is None else partial(save_key, key=admin)
        try:
            await self._store.database.write(change)
        except StorageFullError as error:
            _log.warning("admin_key_not_recorded", error=str(error))

    def _check(self, caller: Caller, key: ApiKey, before: ApiKey | None) -> None:
        """Return if the caller may make a key what it is to be; `before` is what it was."""
        if not is_within(key, caller):
            raise BeyondOwnRightsError("a key may do no more than whoever makes it: role, sessions, qr and chats")
        if (before is None or key.name != before.name) and (problem := name_problem(key.name)):
            raise InvalidInputError("name", problem)
        is_dated = before is None or key.expires_at != before.expires_at
        if is_dated and key.expires_at is not None:
            _require_to_come(key.expires_at, self._clock.now().at)
        is_bound = before is None or key.allowed_ips != before.allowed_ips
        if is_bound and key.allowed_ips and not self._ring.knows_addresses:
            raise InvalidInputError(
                "allowed_ips",
                "behind a proxy (behind_proxy, allowed_hosts, public_url) addresses are known only once "
                "trusted_proxies names it",
            )
        is_raised = before is None or not is_within(key, before.caller) or (before.is_disabled and not key.is_disabled)
        if is_dated or is_bound or is_raised:
            self._require_as_bound(caller, key)
        self._require_no_faster(caller, key, before)

    def _require_as_bound(self, caller: Caller, key: ApiKey) -> None:
        """Return unless the key would hold for longer than the caller's own, or from other places."""
        own = None if caller.key_id is None else self._ring.find(caller.key_id)
        if own is not None and outlasts(key, own):
            raise BeyondOwnRightsError("a key holds no longer than that of whoever makes it, and from no other places")

    def _require_no_faster(self, caller: Caller, key: ApiKey, before: ApiKey | None) -> None:
        """Return unless an admin for some sessions gives a key a rate beyond his own: the host is everybody's."""
        if caller.scope.is_unlimited or (before is not None and self._rate_of(key) == self._rate_of(before)):
            return
        if not self._rate_of(key).is_within(self._rate_of(caller)):
            raise BeyondOwnRightsError("a key for some sessions may ask no more often than that of whoever makes it")

    def _rate_of(self, rated: ApiKey | Caller) -> Rate:
        return self._default_rate.or_own(rated.rate_per_s, rated.rate_burst)

    def _require_other_admin(self, key: ApiKey, ends_at: float) -> None:
        """Return unless a key is the last one that may give out all keys: nobody else may at wall time `ends_at`."""
        if not (key.is_unlimited_admin and self._ring.lets_in(key, self._clock.now().at)):
            return
        for other in self._ring.all():
            coming = self._coming.get(other.key_id, other)
            if other.key_id != key.key_id and all(
                each.is_unlimited_admin and self._ring.lets_in(each, ends_at) for each in (other, coming)
            ):
                return
        raise LastAdminError("this is the last key that may give out all keys; make another one first")


def _require_to_come(expires_at: float, at: float) -> None:
    if expires_at <= at:
        raise InvalidInputError("expires_at", "is over already; to end a key now, disable or delete it")
    if expires_at > at + EXPIRY_MAX_S:
        raise InvalidInputError("expires_at", "is more than a hundred years ahead; leave it out for ever")


def _admin_of(text: str | None, former: ApiKey | None, at: float) -> ApiKey | None:
    """Return the key of the file: the former one, or a new one if the file was written anew; None without a file."""
    if text is None:
        return None
    if former is not None and former.secret_sha256 == sha256_of(text):
        return former
    return ApiKey(
        key_id=ADMIN_KEY,
        name="admin.key",
        role=Role.ADMIN,
        has_qr=True,
        has_chats=True,
        secret_sha256=sha256_of(text),
        created_at=at,
        created_by="the daemon",
    )
