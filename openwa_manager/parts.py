"""The composition root: every part of the daemon, built from the settings."""

import os
import platform
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Protocol

import structlog

from openwa_manager.api.app import ApiDependencies
from openwa_manager.api.gateway.app import GatewayDependencies
from openwa_manager.api.host.system import HostFacts
from openwa_manager.api.listeners import ListenAddresses
from openwa_manager.api.sessions.sessions import Recipes
from openwa_manager.config import Settings
from openwa_manager.config.policies import (
    delivery_policy,
    log_policy,
    memory_limits,
    offline_policy,
    probe_policy,
    session_policy,
)
from openwa_manager.domain.delivery.events import Event, Json, StoredEvent
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.ports import Engine
from openwa_manager.domain.session.session import SessionId
from openwa_manager.engines.environment import EngineContext
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.engines.recipe import EngineValues
from openwa_manager.engines.registry import build_engines
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.home import Home
from openwa_manager.host.network import has_default_route
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.usage import UsageMeter
from openwa_manager.services.delivery.attempts import DeliveryWorker, EnvelopeWriter
from openwa_manager.services.delivery.broadcaster import Broadcaster
from openwa_manager.services.delivery.deliveries import Deliveries
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.services.delivery.endpoints import DefaultEndpointSettings, Endpoints
from openwa_manager.services.messaging.pacing import Pacing
from openwa_manager.services.monitoring.disk_usage import DiskUsage
from openwa_manager.services.monitoring.health import HealthReader, HealthSources
from openwa_manager.services.monitoring.heartbeat import Heartbeat
from openwa_manager.services.monitoring.host_monitor import HostMonitor, HostReactions
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
from openwa_manager.services.starting.capacity import Capacity
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.services.upkeep.housekeeping import EngineLogs, Housekeeping
from openwa_manager.store.database import Database
from openwa_manager.store.delivery import outbox
from openwa_manager.watcher.qr import QrWatcher
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender

_log = structlog.get_logger()

VERSION = metadata.version("openwa-manager")


class _Service(Protocol):
    """A part with a life of its own."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class Parts:
    """Every part of the daemon, made when it is first asked for; each method is one edge of the graph."""

    def __init__(self, settings: Settings, home: Home, clock: SystemClock, database: Database) -> None:
        self.settings = settings
        self.home = home
        self.clock = clock
        self.database = database

    @property
    def services(self) -> tuple[_Service, ...]:
        """Return the parts with a life of their own, in the order in which they start."""
        return (
            *(self.launcher, self.dispatcher, self.gate, self.runner, self.usage_sampler, self.watcher),
            *(
                self.prober,
                self.heartbeat,
                self.host_monitor,
                self.housekeeping,
                self.metrics_collector,
                self.disk_usage,
            ),
        )

    async def enter(self, stack: AsyncExitStack) -> None:
        """Have what holds connections or watches processes closed with the stack; the engines live on."""
        stack.callback(self.launcher.close)
        for engine in self.openwa_engines.values():
            await stack.enter_async_context(engine)
        await stack.enter_async_context(self.sender)

    def announce(self, stored: Sequence[StoredEvent]) -> None:
        """Let everybody know of events that are now on disk."""
        self.metrics_collector.note(stored)
        if any(each.event.type == "session.status" for each in stored):
            self.usage_sampler.wake()
            self.watcher.wake()
        self.dispatcher.wake(stored)
        self.broadcaster.wake()

    async def tell(self, event_type: str, **data: Json) -> None:
        """Put an event of the daemon itself in the outbox; a full disk loses it, and nothing else."""
        event = Event(type=event_type, occurred_at=self.clock.now().at, data=data)
        try:
            self.announce(await self.database.write(partial(outbox.append, events=[event])))
        except StorageFullError as error:
            _log.warning("event_not_recorded", type=event_type, error=str(error))

    @cached_property
    def meter(self) -> UsageMeter:
        return UsageMeter(self.clock)

    @cached_property
    def launcher(self) -> HostLauncher:
        return HostLauncher(self.home.locks, self.clock, self.meter.members_of, self.settings.exit_sweep_s)

    @cached_property
    def gate(self) -> StartGate:
        room = Capacity(
            disk=self.home.sessions,
            min_memory_bytes=self.settings.min_free_memory_bytes,
            min_disk_bytes=self.settings.min_free_disk_bytes,
        )
        return StartGate(self.clock, self.settings.start_concurrency, self.settings.start_spacing_s, room.find_shortage)

    @cached_property
    def engine_context(self) -> EngineContext:
        return EngineContext(
            environ=os.environ,
            intake_url=f"http://{self.settings.intake_listen}",
            engine_env=self.settings.engine_env,
            logs_root=self.settings.logs_path,
        )

    @cached_property
    def engines(self) -> dict[str, Engine]:
        values = EngineValues(
            clock=self.clock,
            context=self.engine_context,
            answer_timeout_s=self._answer_timeout_s,
            node=self.settings.node,
            openwa_home=self.settings.openwa_home,
            engine_type=self.settings.engine_type,
            command_argv=self.settings.command_argv,
            command_env=self.settings.command_env,
        )
        return build_engines(values)

    @cached_property
    def openwa_engines(self) -> dict[str, OpenwaEngine]:
        """Return the engines that speak OpenWA's API."""
        return {name: engine for name, engine in self.engines.items() if isinstance(engine, OpenwaEngine)}

    @property
    def _answer_timeout_s(self) -> float:
        """Return how long an engine may take to answer: never less than a probe allows it."""
        return max(5.0, self.settings.probe_timeout_s)

    @cached_property
    def dependencies(self) -> Dependencies:
        return Dependencies(
            clock=self.clock,
            chance=random.random,
            database=self.database,
            launcher=self.launcher,
            engines=self.engines,
            gate=self.gate,
            ports=PortPool(self.settings.engine_ports.first, self.settings.engine_ports.last),
            policy=session_policy(self.settings),
            sessions_root=self.home.sessions,
            logs_root=self.settings.logs_path,
            stop_grace_s=self.settings.stop_grace_s,
            announce=self.announce,
            expect_code=lambda *launch: self.watcher.expect(*launch),  # noqa: PLW0108 (the watcher is made from the sessions)
            is_offline=lambda: self.host_monitor.is_offline,
            awake_since=lambda: self.host_monitor.awake_since(),  # noqa: PLW0108 (the vigil is made from the sessions)
        )

    @cached_property
    def supervisors(self) -> Supervisors:
        return Supervisors()

    @cached_property
    def progress(self) -> Progress:
        return Progress(self.clock)

    @cached_property
    def sessions(self) -> SessionDirectory:
        return SessionDirectory(self.supervisors, self.database, self.progress)

    @cached_property
    def inbox(self) -> EngineInbox:
        return EngineInbox(self.supervisors, self.dependencies)

    @cached_property
    def runner(self) -> SessionRunner:
        return SessionRunner(self.supervisors, self.dependencies, self.progress, self.inbox)

    @cached_property
    def requests(self) -> SessionRequests:
        return SessionRequests(self.supervisors, self.dependencies, self.runner, self.settings.engine)

    @cached_property
    def guard(self) -> AddressGuard:
        exempt = (self.settings.upstream_url,) if self.settings.upstream_url else ()
        return AddressGuard(allow_private=self.settings.allow_private_endpoints, exempt=exempt)

    @cached_property
    def sender(self) -> Sender:
        return Sender(self.guard)

    @cached_property
    def delivery_worker(self) -> DeliveryWorker:
        envelope_writer = EnvelopeWriter(host=platform.node(), qr_image=self.sessions.qr_image_of)
        return DeliveryWorker(
            self.database, self.sender, self.clock, envelope_writer, delivery_policy(self.settings), random.random
        )

    @cached_property
    def broadcaster(self) -> Broadcaster:
        return Broadcaster(self.database, self.clock)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        policy = delivery_policy(self.settings)
        return Dispatcher(self.database, self.clock, self.delivery_worker, policy, self.broadcaster.wake)

    @cached_property
    def endpoints(self) -> Endpoints:
        has_secret = self.settings.upstream_secret is not None
        of_default = DefaultEndpointSettings(has_url=self.settings.upstream_url is not None, has_secret=has_secret)
        return Endpoints(
            self.database, self.delivery_worker, self.dispatcher, self.guard.check_url, self.clock, of_default
        )

    @cached_property
    def usage_sampler(self) -> UsageSampler:
        guard = MemoryGuard(memory_limits(self.settings), self.inbox.running_engines, self.inbox.is_idle)
        period_s = self.settings.probe_period_s
        return UsageSampler(self.clock, period_s, self.meter.sample, self.sessions.live, guard.check)

    @cached_property
    def prober(self) -> Prober:
        return Prober(self.clock, random.random, probe_policy(self.settings), self.inbox.running_engines)

    @cached_property
    def host_monitor(self) -> HostMonitor:
        reactions = HostReactions(on_network=self.runner.wake, on_slept=self._excuse_sleep)
        return HostMonitor(
            self.clock, has_default_route, self.sessions.iterate, reactions, offline_policy(self.settings)
        )

    async def _excuse_sleep(self, slept_s: float) -> None:
        self.prober.probe_all()
        await self.tell("host.slept", slept_s=round(slept_s, 1))

    @cached_property
    def watcher(self) -> QrWatcher:
        return QrWatcher(self.home.sessions, self.inbox.receive_qr_file, self.sessions.awaiting_qr, self.clock)

    @cached_property
    def heartbeat(self) -> Heartbeat:
        post, period_s = self.dispatcher.post_heartbeat, self.settings.heartbeat_s
        return Heartbeat(self.clock, period_s, self.sessions.iterate, self.usage_sampler.usage, post)

    @cached_property
    def metrics_collector(self) -> MetricsCollector:
        usage = self.usage_sampler.usage if self.settings.metrics_per_session else None
        return MetricsCollector(VERSION, self.sessions, self.database, self.dispatcher.qr_push_times, usage)

    @cached_property
    def disk_usage(self) -> DiskUsage:
        return DiskUsage(self.clock, self._directories)

    def _directories(self) -> dict[SessionId, Path]:
        names = (session.session_id for session in self.sessions.list_sessions())
        return {name: self.dependencies.directory(name) for name in names}

    @cached_property
    def housekeeping(self) -> Housekeeping:
        logs = EngineLogs(log_policy(self.settings))
        return Housekeeping(self.clock, self.database, self.home.copies, logs, self.sessions.log_paths)

    @property
    def api_dependencies(self) -> ApiDependencies:
        """Return what the control plane stands on."""
        watchers = HealthSources(
            record=self.prober.record,
            usage=self.usage_sampler.usage,
            open_files=self.meter.open_files_of,
            disk=self.disk_usage.used_bytes,
        )
        return ApiDependencies(
            sessions=self.sessions,
            requests=self.requests,
            health=HealthReader(self.sessions, self.inbox, watchers, self.home.sessions),
            usage=self.usage_sampler.usage,
            database=self.database,
            broadcaster=self.broadcaster,
            endpoints=self.endpoints,
            deliveries=Deliveries(self.database, self.dispatcher),
            recipes=self._recipes(),
            facts=HostFacts(host=platform.node(), version=VERSION, started_at=self.clock.now().at),
            pairing_window_s=self.settings.pairing_window_s,
            measure=self.metrics_collector.read,
        )

    def _recipes(self) -> Recipes:
        env_names = {name: engine.env_names for name, engine in self.engines.items()}
        return Recipes(env_names=env_names, default=self.settings.engine)

    @property
    def gateway(self) -> GatewayDependencies:
        """Return what the OpenWA-compatible API stands on."""
        gap_s = (self.settings.message_gap_min_s, self.settings.message_gap_max_s)
        return GatewayDependencies(
            sessions=self.sessions,
            requests=self.requests,
            inbox=self.inbox,
            engines=self.openwa_engines,
            pacing=Pacing(self.clock, random.random, *gap_s),
            usage=self.usage_sampler.usage,
            kill=partial(force_kill, self.requests, self.dependencies),
            now=lambda: self.clock.now().at,
        )

    @property
    def listen_addresses(self) -> ListenAddresses:
        """Return where to listen."""
        return ListenAddresses(
            control=self.settings.listen,
            intake=self.settings.intake_listen,
            socket=self.settings.socket_path,
            tls_cert=self.settings.tls_cert,
            tls_key=self.settings.tls_key,
        )
