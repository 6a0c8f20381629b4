"""What tells who may do what, on real parts."""

from dataclasses import dataclass
from pathlib import Path

from openwa_manager.api.admission.open_calls import OpenCalls
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.keys import KnownKey
from openwa_manager.domain.ports import Clock
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.access.admin_key import AdminKeyFile
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.key_store import KeyStore
from openwa_manager.services.access.key_upkeep import KeyUpkeep
from openwa_manager.services.access.keys import Keys
from openwa_manager.services.access.revoked_texts import RevokedTexts
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.store.database import Database


@dataclass
class Keyring:
    """What a test may touch."""

    ring: KeyRing
    keys: Keys
    upkeep: KeyUpkeep
    open_calls: OpenCalls

    def caller_of(self, key: object) -> Caller | None:
        """Return whom a key lets in, from anywhere; None: nobody."""
        login = self.ring.identify(str(key), None)
        return login.caller if isinstance(login, KnownKey) else None


async def keyring_of(
    home: Path, database: Database, clock: Clock, changes: Changes, background: BackgroundTasks
) -> Keyring:
    """Build it on a database, and read its keys; `upkeep` is yet to run."""
    revoked = changes.key_revoked
    ring = KeyRing(clock)
    store = KeyStore(database, AdminKeyFile(home / "admin.key"), RevokedTexts(home / "revoked", database.reserve))
    keyring = Keyring(
        ring, Keys(ring, store, clock, background, revoked), KeyUpkeep(ring, store, clock, revoked), OpenCalls()
    )
    revoked.subscribe(keyring.open_calls.end)
    await keyring.keys.load()
    return keyring


async def reloaded(home: Path, database: Database) -> Keyring:
    """Build it as the next daemon would find it."""
    return await keyring_of(home, database, SystemClock(), Changes(), BackgroundTasks())
