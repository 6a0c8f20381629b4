"""Ends in time what keys allow, and records when they were last used."""

import asyncio
from functools import partial

import structlog

from openwa_manager.domain.access.callers import KeyId
from openwa_manager.domain.access.keys import KeyRevoked
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.ports import Clock
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.key_store import KeyStore
from openwa_manager.services.changes import Topic
from openwa_manager.store.access.keys import note_use

_log = structlog.get_logger()

#: The wall clock may be set meanwhile: what ends by it is looked at so often at least.
_LOOK_S = 10.0
#: What is on disk of a key's last use is at most five minutes old; many uses are one write.
_RECORD_S = 240.0
#: How soon a removal that a full disk hindered is tried again.
_REMOVE_S = 10.0


class KeyUpkeep:
    """Publishes `revoked` the moment a key, or its text before a rotation, is over; writes down when keys were used."""

    def __init__(self, ring: KeyRing, store: KeyStore, clock: Clock, revoked: Topic[KeyRevoked]) -> None:
        self._ring = ring
        self._store = store
        self._clock = clock
        self._revoked = revoked
        self._over: frozenset[KeyRevoked] = frozenset()
        self._recorded: dict[KeyId, float] = {}

    async def run(self) -> None:
        """Work until cancelled; what is known of last uses then is recorded."""
        self._over = self._find_over()  # what was over before has no calls
        await self._retire(self._over)  # it may have ended while no daemon ran
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._end_in_time())
            tasks.create_task(self._record_in_time())
            tasks.create_task(self._remove_in_time())

    async def _end_in_time(self) -> None:
        while True:
            self._ring.changed.clear()
            over = self._find_over()
            for each in over - self._over:
                self._revoked.publish(each)
            ended = over - self._over
            self._over = over
            await self._retire(ended)
            await self._clock.wait(self._ring.changed, self._next_look_boot_s())

    async def _retire(self, over: frozenset[KeyRevoked]) -> None:
        if texts := [each.secret_sha256 for each in over if each.secret_sha256 is not None]:
            await self._store.retire(texts)

    def _find_over(self) -> frozenset[KeyRevoked]:
        at = self._clock.now().at
        found: set[KeyRevoked] = set()
        for key in self._ring.all():
            if key.expires_at is not None and not at < key.expires_at:
                found.add(KeyRevoked(key_id=key.key_id))
            if key.previous_until is not None and not key.holds_previous(at):
                found.add(KeyRevoked(key_id=key.key_id, secret_sha256=key.previous_sha256))
        return frozenset(found)

    def _next_look_boot_s(self) -> float | None:
        """Return when something may be over next; None: nothing ever is. What is over may come back: clocks are set."""
        now = self._clock.now()
        dates = [date for key in self._ring.all() for date in (key.expires_at, key.previous_until) if date is not None]
        if not dates:
            return None
        return now.boot_s + min((date - now.at for date in dates if now.at < date < now.at + _LOOK_S), default=_LOOK_S)

    async def _record_in_time(self) -> None:
        try:
            while True:
                await self._clock.sleep_until(self._clock.now().boot_s + _RECORD_S)
                await self._record_use()
        finally:
            await self._record_use()

    async def _record_use(self) -> None:
        known = self._ring.used()
        used = {key_id: at for key_id, at in known.items() if at != self._recorded.get(key_id)}
        if not used:
            return
        try:
            await self._store.database.write(partial(note_use, used=used))
        except StorageFullError as error:
            _log.debug("key_use_not_recorded", error=str(error))
        else:
            self._recorded = known  # and of removed keys nothing more

    async def _remove_in_time(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now().boot_s + _REMOVE_S)
            for key_id in tuple(self._store.unrecorded):
                await self._store.remove(key_id)
