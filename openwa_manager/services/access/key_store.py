"""Where keys are kept: in the database, the admin's in a file too, and what was revoked beside both."""

import asyncio
from collections.abc import Collection
from dataclasses import field
from functools import partial

import structlog

from openwa_manager.domain.access.callers import ADMIN_KEY, KeyId
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.values import dataclass
from openwa_manager.services.access.admin_key import AdminKeyFile
from openwa_manager.services.access.revoked_texts import RevokedTexts
from openwa_manager.store.access.keys import remove_key
from openwa_manager.store.database import Database

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Where keys are kept: all in the database, the text of the admin's in its file too; beside it what was revoked.

    `unrecorded` are those that were removed while the disk was full: they hold no more, but are still on it.
    """

    database: Database
    file: AdminKeyFile
    revoked: RevokedTexts
    unrecorded: set[KeyId] = field(default_factory=set)

    async def remove(self, key_id: KeyId) -> None:
        """Record that a key is removed; while the disk is full that stays to be done."""
        try:
            if key_id == ADMIN_KEY:
                await asyncio.to_thread(self.file.remove)
            await self.database.write(partial(remove_key, key_id=key_id), is_urgent=True)
        except (StorageFullError, OSError) as error:
            _log.error("key_removal_not_recorded", key_id=key_id, error=str(error))
        else:
            self.unrecorded.discard(key_id)

    async def retire(self, texts: Collection[bytes]) -> None:
        """Record that these texts open nothing any more, for the case that a copy of the database is put back."""
        try:
            await self.revoked.add(texts)
        except OSError as error:
            _log.warning("revoked_keys_not_recorded", error=str(error))
