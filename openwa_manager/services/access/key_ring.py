"""All keys in memory: finds out whose key is given, in the same time whether there is such a key or not."""

import asyncio
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.callers import ADMIN_KEY, Caller, KeyId
from openwa_manager.domain.access.keys import ApiKey, KnownKey, RefusedKey
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.secret_hashes import sha256_of
from openwa_manager.domain.ports import Clock

_ID: Final = re.compile(r"owm_([a-z0-9]{1,32})_")
#: What a key is compared with that is none of ours: nobody knows its text.
_NOBODY: Final = ApiKey(
    key_id=KeyId(""),
    name="",
    role=Role.VIEWER,
    secret_sha256=secrets.token_bytes(32),
    created_at=0.0,
    created_by="",
    is_disabled=True,
)


class KeyRing:
    """The keys there are, and when each was last used. `changed` is set whenever one comes, goes or changes.

    With `knows_addresses` false nobody can tell from where callers come, so that keys that are bound to addresses are
    refused: through a tunnel, everybody comes from the same.
    """

    def __init__(self, clock: Clock, *, knows_addresses: bool = True) -> None:
        self._clock = clock
        self.knows_addresses = knows_addresses
        self._keys: dict[KeyId, ApiKey] = {}
        self._callers: dict[KeyId, Caller] = {}
        #: The ids that texts in the file `admin.key` carried; whoever writes it may choose one.
        self._admin_ids: set[str] = {ADMIN_KEY}
        self._used: dict[KeyId, float] = {}
        #: The current texts that were given, by hash, until any key changes; whoever has none of them takes as long.
        self._held: dict[bytes, tuple[ApiKey, KnownKey]] = {}
        self.changed = asyncio.Event()

    def fill(self, keys: Iterable[ApiKey], admin_text: str | None) -> None:
        """Hold these keys; `admin_text` is the text of the key `admin`."""
        self._keys = {each.key_id: each for each in keys}
        self._callers = {key_id: each.caller for key_id, each in self._keys.items()}
        if admin_text is not None and (named := _ID.match(admin_text)) is not None:
            self._admin_ids.add(named[1])
        self._note_change()

    def identify(self, given: str, client: ClientAddress | None) -> KnownKey | RefusedKey:
        """Return whose key this is; `client` None: nobody knows where it comes from.

        Both sides are hashed, and every key is compared with two others, so that the time this takes tells neither
        content nor length, nor whether a key of that id exists. Only who gives the right text again is known sooner.
        """
        digest, at = sha256_of(given), self._clock.now().at
        if (held := self._held.get(digest)) is not None and self._lets_in(held[0], at, client):
            self._used[held[0].key_id] = at
            return held[1]
        named = _ID.match(given)
        key_id = KeyId(named[1] if named else "")
        key = self._keys.get(ADMIN_KEY if key_id in self._admin_ids else key_id, _NOBODY)
        is_current = hmac.compare_digest(digest, key.secret_sha256)
        is_previous = hmac.compare_digest(digest, key.previous_sha256 or _NOBODY.secret_sha256)
        holds = is_current or (is_previous and key.holds_previous(at))
        if not (holds and self._lets_in(key, at, client)):
            return RefusedKey(key_id=None if key is _NOBODY else key.key_id)
        self._used[key.key_id] = at
        known = KnownKey(caller=self._callers[key.key_id], secret_sha256=digest)
        if is_current:
            self._held[digest] = (key, known)
        return known

    def _lets_in(self, key: ApiKey, at: float, client: ClientAddress | None) -> bool:
        return key.is_usable(at) and key.admits(client if self.knows_addresses else None)

    def lets_in(self, key: ApiKey, at: float) -> bool:
        """Tell whether a key lets anybody in at wall time `at`."""
        return key.is_usable(at) and (self.knows_addresses or not key.allowed_ips)

    def find(self, key_id: KeyId) -> ApiKey | None:
        """Return a key with the time of its last use; None when there is none of this id."""
        key = self._keys.get(key_id)
        if key is None or key_id not in self._used:
            return key
        return replace(key, last_used_at=self._used[key_id])

    def all(self) -> list[ApiKey]:
        """Return all keys with the times of their last use, oldest first."""
        return [key for key_id in self._keys if (key := self.find(key_id)) is not None]

    def put(self, key: ApiKey) -> None:
        """Hold a key, new or changed."""
        self._keys[key.key_id] = key
        self._callers[key.key_id] = key.caller
        self._note_change()

    def drop(self, key_id: KeyId) -> None:
        """Forget a key."""
        self._keys.pop(key_id, None)
        self._callers.pop(key_id, None)
        self._used.pop(key_id, None)
        self._note_change()

    def used(self) -> dict[KeyId, float]:
        """Return when keys were last used (wall time), those that were since they were read."""
        return dict(self._used)

    def _note_change(self) -> None:
        self._held.clear()
        self.changed.set()
