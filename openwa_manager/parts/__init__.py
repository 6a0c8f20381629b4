"""The composition root: builds every part of the daemon from the settings, each after those it needs."""

from collections.abc import Sequence
from functools import partial

from openwa_manager.api.app import ApiDependencies
from openwa_manager.api.gateway.app import GatewayDependencies
from openwa_manager.config import Settings
from openwa_manager.domain.session.decisions import Moved
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.home import Home
from openwa_manager.host.notify import ServiceManager
from openwa_manager.parts.access import AccessParts, build_access
from openwa_manager.parts.api import Rooms, build_api, build_gateway
from openwa_manager.parts.basis import VERSION, Basis, build_basis
from openwa_manager.parts.builds import build_builds
from openwa_manager.parts.delivery import build_delivery
from openwa_manager.parts.hosting import build_hosting, openwa_engines
from openwa_manager.parts.messaging import build_messaging
from openwa_manager.parts.monitoring import build_monitoring
from openwa_manager.parts.proofs import build_proofs
from openwa_manager.parts.sessions import build_housekeeping, build_sessions
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.access.audit_heads import AuditHeads
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.services.delivery.backpressure import Backpressure
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.services.messaging.generations import Generations
from openwa_manager.services.messaging.prefetch import Prefetch
from openwa_manager.services.messaging.sending.queues import Queues
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.runner import SessionRunner
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.upkeep.later import Later, Service
from openwa_manager.services.upkeep.service_notifier import ServiceNotifier
from openwa_manager.store.database import Database
from openwa_manager.watcher.qr import QrWatcher
from openwa_manager.webhooks.downloads import Downloader
from openwa_manager.webhooks.sender import Sender

__all__ = ["VERSION", "Parts", "build_parts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The daemon's parts, as far as its life depends on them; `services` are in the order in which they start.

    `connected` are those that hold connections while they are entered.
    """

    services: tuple[Service, ...]
    connected: tuple[Sender | OpenwaEngine | Downloader, ...]
    home: Home
    files: EngineFiles
    launcher: HostLauncher
    sessions: SessionDirectory
    progress: Progress
    inbox: EngineInbox
    runner: SessionRunner
    dispatcher: Dispatcher
    announcer: Announcer
    backpressure: Backpressure
    generations: Generations
    audit: Audit
    queues: Queues
    prefetch: Prefetch
    access: AccessParts
    api: ApiDependencies
    gateway: GatewayDependencies


def build_parts(
    settings: Settings, home: Home, clock: SystemClock, database: Database, service_manager: ServiceManager
) -> Parts:
    """Build everything; nothing runs yet."""
    basis = build_basis(settings, home, clock, database)
    rooms = _build_rooms(basis)
    hosting, sessions, delivery, messaging = rooms.hosting, rooms.sessions, rooms.delivery, rooms.messaging
    api = build_api(basis, rooms)
    _subscribe(basis.changes, rooms)
    notifier = ServiceNotifier(service_manager, sessions.progress, sessions.directory.iterate, database, clock)
    return Parts(
        services=(*_services(basis, rooms), api.pairing.links, notifier),
        connected=(*openwa_engines(sessions.dependencies.engines).values(), delivery.sender, messaging.downloader),
        home=home,
        files=basis.files,
        launcher=hosting.launcher,
        sessions=sessions.directory,
        progress=sessions.progress,
        inbox=sessions.inbox,
        runner=sessions.runner,
        dispatcher=delivery.dispatcher,
        announcer=delivery.announcer,
        backpressure=Backpressure(basis.database, basis.clock),
        generations=basis.generations,
        audit=basis.audit,
        queues=messaging.queues,
        prefetch=messaging.prefetch,
        access=rooms.access,
        api=api,
        gateway=build_gateway(basis, rooms, api),
    )


def _build_rooms(basis: Basis) -> Rooms:
    hosting = build_hosting(basis)
    sessions = build_sessions(basis, hosting)
    delivery = build_delivery(basis, sessions)
    messaging = build_messaging(basis, sessions, delivery)
    return Rooms(
        hosting=hosting,
        sessions=sessions,
        delivery=delivery,
        messaging=messaging,
        monitoring=build_monitoring(basis, hosting, sessions, delivery, messaging),
        access=build_access(basis, delivery.background),
        builds=build_builds(basis, hosting, sessions, delivery.background),
    )


def _services(basis: Basis, rooms: Rooms) -> tuple[Service, ...]:
    sessions, delivery, monitoring, messaging = rooms.sessions, rooms.delivery, rooms.monitoring, rooms.messaging
    proofs = build_proofs(basis, sessions, messaging)
    measuring = (
        monitoring.usage_sampler,
        monitoring.prober,
        *build_housekeeping(basis, sessions),
        monitoring.disk_usage,
    )
    return (
        basis.audit,
        *(rooms.hosting.launcher, delivery.dispatcher, delivery.background, rooms.hosting.gate, sessions.runner),
        *(Later(each, sessions.progress) for each in (*measuring, sessions.watcher)),
        *(monitoring.heartbeat, monitoring.host_monitor, monitoring.metrics_collector),
        *(*messaging.services, rooms.builds.installer, rooms.builds.rollouts),
        *(proofs.evidence, proofs.known_chats, proofs.opt_outs, rooms.access.upkeep),
        AuditHeads(basis.clock, basis.audit, delivery.announcer),
    )


def _wake_watcher(watcher: QrWatcher, moves: Sequence[Moved]) -> None:
    """Have codes looked for that are expected from now on: it goes through all sessions, also when a thousand stop."""
    if any(each.expects_code for each in moves):
        watcher.wake()


def _subscribe(changes: Changes, rooms: Rooms) -> None:
    """Say who hears of what."""
    sessions, delivery, monitoring = rooms.sessions, rooms.delivery, rooms.monitoring
    changes.events_stored.subscribe(monitoring.metrics_collector.note)
    changes.session_moved.subscribe(monitoring.session_tally.note)
    changes.events_stored.subscribe(delivery.dispatcher.wake)
    changes.events_stored.subscribe(lambda _: delivery.broadcaster.wake())
    changes.status_changed.subscribe(lambda _: monitoring.usage_sampler.wake())
    changes.session_moved.subscribe(partial(_wake_watcher, sessions.watcher))
    changes.code_expected.subscribe(lambda expected: sessions.watcher.expect(expected.session_id, expected.launch_id))
    changes.network_changed.subscribe(lambda _: sessions.runner.wake())
    changes.host_slept.subscribe(lambda _: monitoring.prober.probe_all())
    changes.events_stored.subscribe(rooms.messaging.queues.note)
    changes.key_revoked.subscribe(rooms.access.open_calls.end)
