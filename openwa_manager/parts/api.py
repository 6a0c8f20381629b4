"""Builds what the HTTP API and the gateway work with."""

import platform
from functools import partial

from openwa_manager.api.app import ApiDependencies
from openwa_manager.api.gateway.app import GatewayDependencies
from openwa_manager.api.host.system import HostFacts
from openwa_manager.api.sessions.sessions import Recipes
from openwa_manager.parts.basis import VERSION, Basis
from openwa_manager.parts.delivery import DeliveryParts
from openwa_manager.parts.hosting import Hosting, openwa_engines
from openwa_manager.parts.messaging import MessagingParts
from openwa_manager.parts.monitoring import MonitoringParts
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.monitoring.health import HealthReader, HealthSources
from openwa_manager.services.sessions.force_kill import force_kill


def build_api(
    basis: Basis,
    hosting: Hosting,
    sessions: SessionParts,
    delivery: DeliveryParts,
    monitoring: MonitoringParts,
    messaging: MessagingParts,
) -> ApiDependencies:
    """Build what the calls under /v1 work with."""
    settings = basis.settings
    sources = HealthSources(
        record=monitoring.prober.record,
        usage=monitoring.usage_sampler.usage,
        open_files=hosting.meter.open_files_of,
        disk=monitoring.disk_usage.used_bytes,
        messages=messaging.api.queues.brief,
    )
    return ApiDependencies(
        sessions=sessions.directory,
        requests=sessions.requests,
        health=HealthReader(sessions.directory, sessions.inbox, sources, basis.home.sessions, basis.files),
        usage=monitoring.usage_sampler.usage,
        database=basis.database,
        files=basis.files,
        broadcaster=delivery.broadcaster,
        endpoints=delivery.endpoints,
        deliveries=Deliveries(basis.database, delivery.dispatcher, delivery.background),
        messaging=messaging.api,
        recipes=Recipes(engines=hosting.engines, default=settings.engine),
        facts=HostFacts(host=platform.node(), version=VERSION, started_at=basis.clock.now().at),
        pairing_window_s=settings.pairing_window_s,
        measure=monitoring.metrics_collector.read,
    )


def build_gateway(
    basis: Basis,
    sessions: SessionParts,
    monitoring: MonitoringParts,
    delivery: DeliveryParts,
    messaging: MessagingParts,
    api: ApiDependencies,
) -> GatewayDependencies:
    """Build what the calls under /api work with."""
    return GatewayDependencies(
        sessions=sessions.directory,
        requests=sessions.requests,
        inbox=sessions.inbox,
        engines=openwa_engines(sessions.dependencies.engines),
        sends=messaging.gateway,
        batches=messaging.gateway_batches,
        background=delivery.background,
        database=api.database,
        sender=delivery.sender,
        health=api.health,
        inspector=monitoring.inspector,
        usage=api.usage,
        kill=partial(force_kill, sessions.requests, sessions.dependencies),
        version=api.facts.version,
        now=lambda: basis.clock.now().at,
    )
