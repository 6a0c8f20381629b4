"""What gathers the metrics of a world, in which nobody measures or probes the engines."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openwa_manager.domain.ports import Clock
from openwa_manager.host.clock import SystemClock
from openwa_manager.metrics.tallies import EngineCpu, RequestTally, SessionTally
from openwa_manager.services.monitoring.metrics_collector import MetricsCollector, MetricSources
from openwa_manager.services.monitoring.probe_records import ProbeRecords

if TYPE_CHECKING:
    from tests.api.world import World


@dataclass
class Counted:
    """What is counted as it happens."""

    cpu: EngineCpu = field(default_factory=EngineCpu)
    moves: SessionTally = field(default_factory=SessionTally)
    requests: RequestTally = field(default_factory=RequestTally)


def measurements_of(world: "World", *, is_per_session: bool = True, clock: Clock | None = None) -> MetricsCollector:
    sources = MetricSources(
        sessions=world.sessions,
        database=world.database,
        usage=world.used.get,
        cpu=world.counted.cpu,
        probes=ProbeRecords(),
        endpoints=world.channels.endpoints.which_are_up,
        deliveries=world.channels.dispatcher.tally,
        messages=world.messaging.meter,
        moves=world.counted.moves,
        requests=world.counted.requests,
        home=world.home,
    )
    return MetricsCollector("0.1.0", clock or SystemClock(), sources, is_per_session=is_per_session)
