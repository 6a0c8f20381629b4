"""Builds what the HTTP API and the gateway work with."""

import asyncio
import os
import platform
from collections.abc import Sequence
from functools import partial

from openwa_manager.api.access.dependencies import AccessDependencies
from openwa_manager.api.app import ApiDependencies
from openwa_manager.api.builds.builds import BuildDependencies
from openwa_manager.api.gateway.app import GatewayDependencies
from openwa_manager.api.host.system import HostFacts
from openwa_manager.api.pairing.links import PairingDependencies
from openwa_manager.api.sessions.sessions import Recipes
from openwa_manager.config.policies import program_values
from openwa_manager.domain.diagnosis.findings import Finding
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.registry import OPENWA
from openwa_manager.parts.access import AccessParts
from openwa_manager.parts.basis import VERSION, Basis
from openwa_manager.parts.delivery import DeliveryParts
from openwa_manager.parts.hosting import Hosting, openwa_engines
from openwa_manager.parts.messaging import MessagingParts
from openwa_manager.parts.monitoring import MonitoringParts
from openwa_manager.parts.sessions import SessionParts
from openwa_manager.services.access.pairing.links import PairingLinks
from openwa_manager.services.access.pairing.visits import PairingVisits
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.diagnosis.builds import build_findings, pins_of, used_builds
from openwa_manager.services.diagnosis.doctor import Doctor
from openwa_manager.services.diagnosis.gathering import Sources
from openwa_manager.services.diagnosis.host import Floors, Reach, host_findings
from openwa_manager.services.monitoring.health import HealthReader, HealthSources
from openwa_manager.services.sessions.force_kill import force_kill


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """All parts there are, room by room."""

    hosting: Hosting
    sessions: SessionParts
    delivery: DeliveryParts
    messaging: MessagingParts
    monitoring: MonitoringParts
    access: AccessParts
    builds: BuildDependencies


def build_api(basis: Basis, rooms: Rooms) -> ApiDependencies:
    """Build what the calls under /v1 work with."""
    settings, sessions, delivery = basis.settings, rooms.sessions, rooms.delivery
    monitoring, messaging, access = rooms.monitoring, rooms.messaging, rooms.access
    links = PairingLinks(sessions.directory, sessions.requests, basis.database, basis.clock, access.ring, basis.audit)
    links.subscribe_to(basis.changes)
    return ApiDependencies(
        sessions=sessions.directory,
        requests=sessions.requests,
        doctor=_build_doctor(basis, rooms),
        health=_build_health(basis, rooms),
        usage=monitoring.usage_sampler.usage,
        database=basis.database,
        audit=basis.audit,
        files=basis.files,
        broadcaster=delivery.broadcaster,
        endpoints=delivery.endpoints,
        deliveries=Deliveries(basis.database, delivery.dispatcher, delivery.background),
        messaging=messaging.api,
        access=AccessDependencies(keys=access.keys),
        pairing=PairingDependencies(links=links, visits=PairingVisits(basis.clock), public_url=settings.public_url),
        builds=rooms.builds,
        recipes=Recipes(engines=rooms.hosting.engines, default=settings.engine, builds=rooms.builds.catalog),
        facts=HostFacts(
            host=platform.node(),
            url=f"{'https' if settings.tls_cert else 'http'}://{settings.listen}",
            engine=settings.engine,
            version=VERSION,
            started_at=basis.clock.now().at,
        ),
        pairing_window_s=settings.pairing_window_s,
        measure=monitoring.metrics_collector.read_within,
        request_tally=monitoring.request_tally,
    )


def _build_health(basis: Basis, rooms: Rooms) -> HealthReader:
    sources = HealthSources(
        record=rooms.monitoring.prober.record,
        usage=rooms.monitoring.usage_sampler.usage,
        open_files=rooms.hosting.meter.open_files_of,
        disk=rooms.monitoring.disk_usage.used_bytes,
        messages=rooms.messaging.api.queues.brief,
        probe_due_at=rooms.monitoring.prober.due_at,
    )
    return HealthReader(rooms.sessions.directory, rooms.sessions.inbox, sources, basis.home.sessions, basis.files)


def _build_doctor(basis: Basis, rooms: Rooms) -> Doctor:
    settings, directory = basis.settings, rooms.sessions.directory
    floors = Floors(
        disk=basis.home.sessions, memory_bytes=settings.min_free_memory_bytes, disk_bytes=settings.min_free_disk_bytes
    )
    reach = Reach(
        is_loopback=settings.listen.is_loopback,
        names=settings.public_names,
        knows_callers=bool(settings.trusted_proxies),
    )

    programs = program_values(settings, os.environ)

    async def look_at_host() -> Sequence[Finding]:
        used = [rooms.monitoring.usage_sampler.usage(session_id) for session_id in directory.live()]
        used_bytes = [each.rss_bytes for each in used if each is not None]
        findings = await asyncio.to_thread(host_findings, floors, reach, used_bytes)
        used_by = used_builds(rooms.builds.catalog.default.name, pins_of(directory.iterate()), programs)
        runs_any = OPENWA in {settings.engine, *(each.spec.engine for each in directory.iterate())}
        return [*findings, *(await build_findings(used_by, programs) if runs_any else ())]

    sources = Sources(
        clock=basis.clock,
        database=basis.database,
        queues=rooms.messaging.api.queues,
        refusals=rooms.messaging.refusals,
        endpoints=rooms.delivery.endpoints,
        has_upstream_secret=settings.upstream_secret is not None,
    )
    return Doctor(directory, sources, look_at_host)


def build_gateway(basis: Basis, rooms: Rooms, api: ApiDependencies) -> GatewayDependencies:
    """Build what the calls under /api work with."""
    sessions, messaging = rooms.sessions, rooms.messaging
    return GatewayDependencies(
        sessions=sessions.directory,
        requests=sessions.requests,
        inbox=sessions.inbox,
        engines=openwa_engines(sessions.dependencies.engines),
        sends=messaging.gateway,
        batches=messaging.gateway_batches,
        background=rooms.delivery.background,
        database=api.database,
        sender=rooms.delivery.sender,
        health=api.health,
        inspector=rooms.monitoring.inspector,
        usage=api.usage,
        kill=partial(force_kill, sessions.requests, sessions.dependencies),
        version=api.facts.version,
        now=lambda: basis.clock.now().at,
    )
