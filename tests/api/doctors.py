"""The doctor of an API under test, on a host that is always the same."""

from collections.abc import Callable

from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.diagnosis.table import found
from openwa_manager.host.clock import SystemClock
from openwa_manager.services.delivery.endpoints import Endpoints
from openwa_manager.services.diagnosis.doctor import WITHIN_S, Doctor
from openwa_manager.services.diagnosis.gathering import Sources
from openwa_manager.services.messaging.acceptance.refusals import Refusals
from openwa_manager.services.messaging.control.views import QueueViews
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.store.database import Database


def sources_of(database: Database, queues: QueueViews, endpoints: Endpoints) -> Sources:
    """Return what a doctor asks."""
    clock = SystemClock()
    return Sources(
        clock=clock,
        database=database,
        queues=queues,
        refusals=Refusals(clock),
        endpoints=endpoints,
        has_upstream_secret=True,
    )


def doctor_of(
    sessions: SessionDirectory,
    database: Database,
    queues: QueueViews,
    endpoints: Endpoints,
    looked: Callable[[int], None] = lambda _: None,
    within_s: float = WITHIN_S,
) -> Doctor:
    """Return one that asks these; `looked` is told each time it looks at the host."""
    sources = sources_of(database, queues, endpoints)

    async def look_at_host() -> list[Finding]:
        looked(1)
        return [found("room", detail="room for 9 more sessions")]

    return Doctor(sessions, sources, look_at_host, within_s)
