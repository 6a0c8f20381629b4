"""Builds what pairing links need, on the parts of a test's daemon."""

from openwa_manager.api.pairing.links import PairingDependencies
from openwa_manager.domain.ports import Clock
from openwa_manager.services.access.pairing.links import PairingLinks
from openwa_manager.services.access.pairing.visits import PairingVisits

PUBLIC_URL = "https://wa.example.com/outside"


def pairing_of(links: PairingLinks, clock: Clock) -> PairingDependencies:
    return PairingDependencies(links=links, visits=PairingVisits(clock), public_url=PUBLIC_URL)
