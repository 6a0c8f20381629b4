"""Builds what tells who may do what."""

from openwa_manager.api.admission.open_calls import OpenCalls
from openwa_manager.domain.access.buckets import CALLS, Rate
from openwa_manager.domain.values import dataclass
from openwa_manager.parts.basis import Basis
from openwa_manager.services.access.admin_key import AdminKeyFile
from openwa_manager.services.access.key_ring import KeyRing
from openwa_manager.services.access.key_store import KeyStore
from openwa_manager.services.access.key_upkeep import KeyUpkeep
from openwa_manager.services.access.keys import Keys
from openwa_manager.services.access.rate_limits import RateLimits
from openwa_manager.services.access.revoked_texts import RevokedTexts
from openwa_manager.services.delivery.background import BackgroundTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessParts:
    """What tells who may do what."""

    ring: KeyRing
    keys: Keys
    upkeep: KeyUpkeep
    open_calls: OpenCalls
    limits: RateLimits


def build_access(basis: Basis, background: BackgroundTasks) -> AccessParts:
    """Build what tells who may do what; nothing is read yet."""
    settings, revoked = basis.settings, basis.changes.key_revoked
    rate = Rate(per_s=settings.rate_per_s, burst=settings.rate_burst)
    revoked_texts = RevokedTexts(basis.home.revoked_keys, basis.database.reserve)
    store = KeyStore(basis.database, AdminKeyFile(basis.home.admin_key), revoked_texts)
    knows_addresses = bool(settings.trusted_proxies) or not settings.has_proxy
    ring = KeyRing(basis.clock, knows_addresses=knows_addresses)
    return AccessParts(
        ring=ring,
        keys=Keys(ring, store, basis.clock, background, revoked, rate if rate.per_s else CALLS),
        upkeep=KeyUpkeep(ring, store, basis.clock, revoked),
        open_calls=OpenCalls(),
        limits=RateLimits(basis.clock, rate if rate.per_s else None),
    )
