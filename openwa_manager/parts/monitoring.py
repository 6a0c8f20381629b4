"""Builds what watches the engines and the host."""

import random

from openwa_manager.config.policies import (
    memory_limits,
    offline_policy,
    probe_policy,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.host.network import has_default_route
from openwa_manager.metrics.tallies import RequestTally, SessionTally
from openwa_manager.parts.basis import VERSION, Basis
from openwa_manager.parts.delivery import DeliveryParts
from openwa_manager.parts.hosting import Hosting
from openwa_manager.parts.messaging import MessagingParts
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.monitoring.disk_usage import DiskUsage
from openwa_manager.services.monitoring.heartbeat import Heartbeat
from openwa_manager.services.monitoring.host_monitor import HostMonitor, OfflineDetector
from openwa_manager.services.monitoring.memory_guard import MemoryGuard
from openwa_manager.services.monitoring.metrics_collector import MetricsCollector, MetricSources
from openwa_manager.services.monitoring.prober import Prober
from openwa_manager.services.monitoring.usage_sampler import UsageSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringParts:
    """What watches the engines and the host."""

    usage_sampler: UsageSampler
    inspector: DataInspector
    prober: Prober
    host_monitor: HostMonitor
    heartbeat: Heartbeat
    metrics_collector: MetricsCollector
    session_tally: SessionTally
    request_tally: RequestTally
    disk_usage: DiskUsage


def build_monitoring(
    basis: Basis, hosting: Hosting, sessions: SessionParts, delivery: DeliveryParts, messaging: MessagingParts
) -> MonitoringParts:
    """Build what watches; nothing runs yet."""
    settings, clock, directory = basis.settings, basis.clock, sessions.directory
    engines = sessions.inbox
    guard = MemoryGuard(memory_limits(settings), engines.running_engine, engines.is_idle)
    sampler = UsageSampler(clock, settings.probe_period_s, hosting.meter.sample, directory.live, guard.check)
    detector = OfflineDetector(clock, has_default_route, directory.iterate, offline_policy(settings))
    heartbeat_s, dispatcher = settings.heartbeat_s, delivery.dispatcher
    inspector = DataInspector(clock, probe_policy(settings).inspection_s, engines, sessions.dependencies.directory)
    prober = Prober(clock, random.random, probe_policy(settings), engines, inspector, basis.files)
    sources = MetricSources(
        sessions=directory,
        database=basis.database,
        usage=sampler.usage,
        cpu=sampler.cpu,
        probes=prober.records,
        endpoints=delivery.endpoints.which_are_up,
        deliveries=dispatcher.tally,
        messages=messaging.meter,
        moves=SessionTally(),
        requests=RequestTally(),
        home=basis.home.root,
    )
    collector = MetricsCollector(VERSION, clock, sources, is_per_session=settings.metrics_per_session)
    return MonitoringParts(
        usage_sampler=sampler,
        inspector=inspector,
        prober=prober,
        host_monitor=HostMonitor(clock, detector, basis.host_state, basis.changes, delivery.announcer),
        heartbeat=Heartbeat(clock, heartbeat_s, directory.iterate, sampler.usage, dispatcher.post_heartbeat),
        metrics_collector=collector,
        session_tally=sources.moves,
        request_tally=sources.requests,
        disk_usage=DiskUsage(clock, directory.iterate, basis.home.sessions, basis.files),
    )
