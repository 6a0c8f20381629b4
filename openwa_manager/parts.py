"""The composition root: builds every part of the daemon from the settings, each after those it needs."""

import os
import platform
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Protocol

from openwa_manager.api.app import ApiDependencies
from openwa_manager.api.gateway.app import GatewayDependencies
from openwa_manager.api.host.system import HostFacts
from openwa_manager.api.sessions.sessions import Recipes
from openwa_manager.config import Settings
from openwa_manager.config.policies import (
    delivery_policy,
    isolation_rules,
    log_policy,
    memory_limits,
    offline_policy,
    probe_policy,
    session_policy,
)
from openwa_manager.domain.ports import Engine
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.engines.recipe import EngineValues
from openwa_manager.engines.registry import build_engines, is_engine
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.home import Home
from openwa_manager.host.network import has_default_route
from openwa_manager.host.notify import ServiceManager
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.reading.listeners import EngineListeners
from openwa_manager.processes.sockets import EngineSockets
from openwa_manager.processes.usage import UsageMeter
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.announcer import Announcer
from openwa_manager.services.delivery.attempts import DeliveryWorker, EnvelopeWriter
from openwa_manager.services.delivery.background import BackgroundTasks
from openwa_manager.services.delivery.backpressure import Backpressure
from openwa_manager.services.delivery.broadcaster import Broadcaster
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.services.delivery.endpoints import EndpointRules, Endpoints
from openwa_manager.services.host_state import HostState
from openwa_manager.services.messaging.pacing import Pacing
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.monitoring.disk_usage import DiskUsage
from openwa_manager.services.monitoring.health import HealthReader, HealthSources
from openwa_manager.services.monitoring.heartbeat import Heartbeat
from openwa_manager.services.monitoring.host_monitor import HostMonitor, OfflineDetector
from openwa_manager.services.monitoring.memory_guard import MemoryGuard
from openwa_manager.services.monitoring.metrics_collector import MetricsCollector
from openwa_manager.services.monitoring.prober import Prober
from openwa_manager.services.monitoring.usage_sampler import UsageSampler
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.force_kill import force_kill
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.services.sessions.runner import SessionRunner
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.capacity import HostCapacity
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.services.upkeep.engine_logs import EngineLogs
from openwa_manager.services.upkeep.housekeeping import Housekeeping
from openwa_manager.services.upkeep.service_notifier import ServiceNotifier
from openwa_manager.store.database import Database
from openwa_manager.store.delivery.kept_changes import StoredChanges
from openwa_manager.watcher.qr import QrWatcher
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender

VERSION = metadata.version("openwa-manager")


class Service(Protocol):
    """A part with a life of its own."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What was there first; `changes` and `host_state` are shared by those who write and those who read them."""

    settings: Settings
    home: Home
    clock: SystemClock
    database: Database
    files: EngineFiles
    changes: Changes
    host_state: HostState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hosting:
    """What starts, ends and measures the engines' processes."""

    meter: UsageMeter
    launcher: HostLauncher
    gate: StartGate
    engines: Mapping[str, Engine]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sessions:
    """The sessions: what they work with, and those who read, ask, tell and run them."""

    dependencies: Dependencies
    progress: Progress
    directory: SessionDirectory
    inbox: EngineInbox
    runner: SessionRunner
    requests: SessionRequests
    watcher: QrWatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """What tells the endpoints and the readers of the event stream."""

    sender: Sender
    broadcaster: Broadcaster
    dispatcher: Dispatcher
    background: BackgroundTasks
    endpoints: Endpoints
    announcer: Announcer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Monitoring:
    """What watches the engines and the host."""

    usage_sampler: UsageSampler
    inspector: DataInspector
    prober: Prober
    host_monitor: HostMonitor
    heartbeat: Heartbeat
    metrics_collector: MetricsCollector
    disk_usage: DiskUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The daemon's parts, as far as its life depends on them; `services` are in the order in which they start.

    `connected` are those that hold connections while they are entered.
    """

    services: tuple[Service, ...]
    connected: tuple[Sender | OpenwaEngine, ...]
    home: Home
    files: EngineFiles
    launcher: HostLauncher
    sessions: SessionDirectory
    inbox: EngineInbox
    runner: SessionRunner
    dispatcher: Dispatcher
    announcer: Announcer
    backpressure: Backpressure
    api: ApiDependencies
    gateway: GatewayDependencies


def build_parts(
    settings: Settings, home: Home, clock: SystemClock, database: Database, service_manager: ServiceManager
) -> Parts:
    """Build everything; nothing runs yet."""
    basis = _Basis(
        settings=settings,
        home=home,
        clock=clock,
        database=database,
        files=EngineFiles(),
        changes=Changes(),
        host_state=HostState(clock),
    )
    hosting = _build_hosting(basis)
    sessions = _build_sessions(basis, hosting)
    delivery = _build_delivery(basis, sessions)
    monitoring = _build_monitoring(basis, hosting, sessions, delivery)
    _subscribe(basis.changes, sessions, delivery, monitoring)
    notifier = ServiceNotifier(service_manager, sessions.progress, sessions.directory.iterate, database, clock)
    return Parts(
        services=(
            *(hosting.launcher, delivery.dispatcher, delivery.background, hosting.gate, sessions.runner),
            *(monitoring.usage_sampler, sessions.watcher, monitoring.prober, monitoring.heartbeat),
            *(monitoring.host_monitor, _build_housekeeping(basis, sessions), monitoring.metrics_collector),
            *(monitoring.disk_usage, notifier),
        ),
        connected=(*_openwa_engines(sessions.dependencies.engines).values(), delivery.sender),
        home=home,
        files=basis.files,
        launcher=hosting.launcher,
        sessions=sessions.directory,
        inbox=sessions.inbox,
        runner=sessions.runner,
        dispatcher=delivery.dispatcher,
        announcer=delivery.announcer,
        backpressure=Backpressure(basis.database, basis.clock),
        api=(api := _build_api(basis, hosting, sessions, delivery, monitoring)),
        gateway=_build_gateway(basis, sessions, monitoring, delivery, api),
    )


def _build_hosting(basis: _Basis) -> _Hosting:
    settings, clock = basis.settings, basis.clock
    meter = UsageMeter(clock)
    capacity = HostCapacity(
        disk=basis.home.sessions,
        min_memory_bytes=settings.min_free_memory_bytes,
        min_disk_bytes=settings.min_free_disk_bytes,
    )
    locks = SessionLocks(basis.home.locks, basis.home.former_locks)
    recognizes = partial(is_engine, command_argv=settings.command_argv)
    return _Hosting(
        meter=meter,
        launcher=HostLauncher(locks, clock, basis.files, meter.members_of, settings.exit_sweep_s, recognizes),
        gate=StartGate(clock, settings.start_concurrency, settings.start_spacing_s, capacity.find_shortage),
        engines=_build_engines(basis),
    )


def _build_engines(basis: _Basis) -> Mapping[str, Engine]:
    settings = basis.settings
    context = EngineContext(
        environ=os.environ,
        intake_url=f"http://{settings.intake_listen}",
        proof=EngineListeners(),
        engine_env=settings.engine_env,
        logs_root=settings.logs_path,
        isolation=isolation_rules(settings, system_support()),
        changes=StoredChanges(basis.database),
    )
    values = EngineValues(
        clock=basis.clock,
        files=basis.files,
        context=context,
        answer_timeout_s=max(5.0, settings.probe_timeout_s),  # never less than a probe allows it
        node=settings.node,
        openwa_home=settings.openwa_home,
        engine_type=settings.engine_type,
        command_argv=settings.command_argv,
        command_env=settings.command_env,
    )
    return build_engines(values)


def _openwa_engines(engines: Mapping[str, Engine]) -> Mapping[str, OpenwaEngine]:
    return {name: engine for name, engine in engines.items() if isinstance(engine, OpenwaEngine)}


def _build_sessions(basis: _Basis, hosting: _Hosting) -> _Sessions:
    settings = basis.settings
    dependencies = Dependencies(
        clock=basis.clock,
        chance=random.random,
        database=basis.database,
        launcher=hosting.launcher,
        engines=hosting.engines,
        gate=hosting.gate,
        ports=PortPool(settings.engine_ports.first, settings.engine_ports.last),
        sockets=EngineSockets(basis.home.sockets),
        policy=session_policy(settings),
        sessions_root=basis.home.sessions,
        logs_root=settings.logs_path,
        stop_grace_s=settings.stop_grace_s,
        files=basis.files,
        changes=basis.changes,
        host_state=basis.host_state,
    )
    supervisors, progress = Supervisors(), Progress(basis.clock)
    directory = SessionDirectory(supervisors, basis.database, progress)
    inbox = EngineInbox(supervisors, dependencies)
    runner = SessionRunner(supervisors, dependencies, progress, inbox)
    return _Sessions(
        dependencies=dependencies,
        progress=progress,
        directory=directory,
        inbox=inbox,
        runner=runner,
        requests=SessionRequests(supervisors, dependencies, runner, settings.engine),
        watcher=QrWatcher(basis.home.sessions, inbox.receive_qr_file, directory.awaiting_qr, basis.clock, basis.files),
    )


def _build_delivery(basis: _Basis, sessions: _Sessions) -> _Delivery:
    settings, database, clock = basis.settings, basis.database, basis.clock
    exempt = (settings.upstream_url,) if settings.upstream_url else ()
    guard = AddressGuard(allow_private=settings.allow_private_endpoints, exempt=exempt)
    sender, policy, broadcaster = Sender(guard), delivery_policy(settings), Broadcaster(database, clock)
    writer = EnvelopeWriter(host=platform.node(), qr_image=sessions.directory.qr_image_of)
    worker = DeliveryWorker(database, sender, clock, writer, policy, random.random)
    dispatcher, background = Dispatcher(database, clock, worker, policy, broadcaster.wake), BackgroundTasks()
    has_url, has_secret = settings.upstream_url is not None, settings.upstream_secret is not None
    rules = EndpointRules(check_url=guard.check_url, has_url=has_url, has_secret=has_secret)
    return _Delivery(
        sender=sender,
        broadcaster=broadcaster,
        dispatcher=dispatcher,
        background=background,
        endpoints=Endpoints(database, worker, dispatcher, background, clock, rules),
        announcer=Announcer(database, clock, basis.changes),
    )


def _build_monitoring(basis: _Basis, hosting: _Hosting, sessions: _Sessions, delivery: _Delivery) -> _Monitoring:
    settings, clock, directory = basis.settings, basis.clock, sessions.directory
    running = sessions.inbox.running_engines
    guard = MemoryGuard(memory_limits(settings), running, sessions.inbox.is_idle)
    sampler = UsageSampler(clock, settings.probe_period_s, hosting.meter.sample, directory.live, guard.check)
    detector = OfflineDetector(clock, has_default_route, directory.iterate, offline_policy(settings))
    usage = sampler.usage if settings.metrics_per_session else None
    heartbeat_s, dispatcher = settings.heartbeat_s, delivery.dispatcher
    inspector = DataInspector(clock, probe_policy(settings).inspection_s, running, sessions.dependencies.directory)
    return _Monitoring(
        usage_sampler=sampler,
        inspector=inspector,
        prober=Prober(clock, random.random, probe_policy(settings), running, inspector, basis.files),
        host_monitor=HostMonitor(clock, detector, basis.host_state, basis.changes, delivery.announcer),
        heartbeat=Heartbeat(clock, heartbeat_s, directory.iterate, sampler.usage, dispatcher.post_heartbeat),
        metrics_collector=MetricsCollector(VERSION, directory, basis.database, dispatcher.qr_push_times, usage),
        disk_usage=DiskUsage(clock, directory.iterate, basis.home.sessions, basis.files),
    )


def _subscribe(changes: Changes, sessions: _Sessions, delivery: _Delivery, monitoring: _Monitoring) -> None:
    """Say who hears of what."""
    changes.events_stored.subscribe(monitoring.metrics_collector.note)
    changes.events_stored.subscribe(delivery.dispatcher.wake)
    changes.events_stored.subscribe(lambda _: delivery.broadcaster.wake())
    changes.status_changed.subscribe(lambda _: monitoring.usage_sampler.wake())
    changes.status_changed.subscribe(lambda _: sessions.watcher.wake())
    changes.code_expected.subscribe(lambda expected: sessions.watcher.expect(expected.session_id, expected.launch_id))
    changes.network_changed.subscribe(lambda _: sessions.runner.wake())
    changes.host_slept.subscribe(lambda _: monitoring.prober.probe_all())


def _build_housekeeping(basis: _Basis, sessions: _Sessions) -> Housekeeping:
    logs = EngineLogs(log_policy(basis.settings), basis.files)
    return Housekeeping(basis.clock, basis.database, basis.home.copies, logs, sessions.directory.log_paths)


def _build_api(
    basis: _Basis, hosting: _Hosting, sessions: _Sessions, delivery: _Delivery, monitoring: _Monitoring
) -> ApiDependencies:
    settings = basis.settings
    sources = HealthSources(
        record=monitoring.prober.record,
        usage=monitoring.usage_sampler.usage,
        open_files=hosting.meter.open_files_of,
        disk=monitoring.disk_usage.used_bytes,
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
        recipes=Recipes(engines=hosting.engines, default=settings.engine),
        facts=HostFacts(host=platform.node(), version=VERSION, started_at=basis.clock.now().at),
        pairing_window_s=settings.pairing_window_s,
        measure=monitoring.metrics_collector.read,
    )


def _build_gateway(
    basis: _Basis, sessions: _Sessions, monitoring: _Monitoring, delivery: _Delivery, api: ApiDependencies
) -> GatewayDependencies:
    return GatewayDependencies(
        sessions=sessions.directory,
        requests=sessions.requests,
        inbox=sessions.inbox,
        engines=_openwa_engines(sessions.dependencies.engines),
        pacing=Pacing(basis.clock, random.random, basis.settings.message_gap_min_s, basis.settings.message_gap_max_s),
        send_hold_s=basis.settings.send_hold_s,
        database=api.database,
        sender=delivery.sender,
        health=api.health,
        inspector=monitoring.inspector,
        usage=api.usage,
        kill=partial(force_kill, sessions.requests, sessions.dependencies),
        version=api.facts.version,
        now=lambda: basis.clock.now().at,
    )
