"""Bounds how often the pages of pairing links are asked for: each link, and each caller for links that are none."""

import math
from typing import Final

from openwa_manager.domain.access.addresses import ClientAddress
from openwa_manager.domain.access.buckets import Buckets, Rate
from openwa_manager.domain.access.pairing_links import LinkId
from openwa_manager.domain.errors import RateLimitedError
from openwa_manager.domain.ports import Clock

#: Of one link: a person presses a few times; a page that loses its connection comes back every other second.
_OF_LINK: Final = Rate(per_s=1.0, burst=30.0)
#: Links that are none, from one address: behind a proxy that is not trusted it is everybody's, so valid links go first.
_OF_STRANGER: Final = Rate(per_s=0.5, burst=30.0)
#: How many of each are told apart: together they take up 2 MB.
_KEPT_MAX: Final = 5_000


class PairingVisits:
    """Counts them, and refuses what is too much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links = Buckets(_KEPT_MAX)
        self._strangers = Buckets(_KEPT_MAX)

    def note(self, link_id: LinkId) -> None:
        """Count a request for a link.

        Raises:
            RateLimitedError: it is one too many.
        """
        _refuse(self._links.take(link_id, _OF_LINK, self._clock.now().boot_s))

    def note_stranger(self, client: ClientAddress | None) -> None:
        """Count a request for a link that is none; `client` None: nobody knows from where it came.

        Raises:
            RateLimitedError: it is one too many.
        """
        name = "" if client is None else client.group
        _refuse(self._strangers.take(name, _OF_STRANGER, self._clock.now().boot_s))


def _refuse(wait_s: float) -> None:
    if wait_s:
        raise RateLimitedError("these pages are asked for too often", max(1, math.ceil(wait_s)))
