"""Learns of exits where the system does not announce them: by checking often."""

from collections.abc import Callable

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes.exits.status import reap_child
from openwa_manager.processes.reading.identity import identity_of


class Polling:
    """Announces nothing; only the check of all watched processes finds those that have ended."""

    period_s: float | None = 0.5

    def watch(self, identity: Identity, ended: Callable[[], None]) -> bool:  # noqa: ARG002 the check calls instead
        """Tell whether the process exists, be it as a zombie."""
        return identity_of(identity.pid) == identity

    def reap(self, identity: Identity) -> Exit | None:
        """Return how the dead process ended if it is our child, and reap it; None: it lives yet."""
        return reap_child(identity)

    def close(self) -> None:
        """Nothing is held."""
