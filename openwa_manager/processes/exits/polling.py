"""Exits where the system has no way to announce them: whoever asks often enough learns them too."""

from collections.abc import Callable

from openwa_manager.domain.session.session import Exit, Identity
from openwa_manager.processes.exits.status import reap
from openwa_manager.processes.reading.identity import stamp


class Polling:
    """Announces nothing by itself; only the sweep of all watched identities finds the dead."""

    period_s: float | None = 0.5

    def watch(self, identity: Identity, ended: Callable[[], None]) -> bool:  # noqa: ARG002 the sweep calls instead
        """Tell whether the process exists, be it as a zombie."""
        return stamp(identity.pid) == identity

    def collect(self, identity: Identity) -> Exit:
        """Return how the dead process ended if it is our child, and reap it."""
        return reap(identity.pid)

    def close(self) -> None:
        """Nothing is held."""
