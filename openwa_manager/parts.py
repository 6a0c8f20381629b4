"""The composition root: every part of the daemon, built from the settings."""

import os
import platform
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cached_property, partial
from importlib import metadata
from pathlib import Path
from typing import Protocol

import structlog

from openwa_manager.api.app import Backing
from openwa_manager.api.gateway import GatewayBacking
from openwa_manager.api.listeners import Places
from openwa_manager.api.sessions import Recipes
from openwa_manager.api.system import Facts
from openwa_manager.config import Settings
from openwa_manager.config.policies import delivery_policy, memory_limits, probe_policy, session_policy
from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.events import Event, Json, StoredEvent
from openwa_manager.domain.session import SessionId
from openwa_manager.engines import openwa
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import Surroundings
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import KnownProgram, NodeProgram, Program
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.home import Home
from openwa_manager.host.network import has_default_route
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.usage import UsageMeter
from openwa_manager.services.broadcaster import Broadcaster
from openwa_manager.services.attempts import Courier, Letterhead
from openwa_manager.services.deliveries import Deliveries
from openwa_manager.services.disk_usage import DiskSurvey
from openwa_manager.services.dispatcher import Dispatcher
from openwa_manager.services.endpoints import Endpoints, Ownership
from openwa_manager.services.dependencies import Equipment
from openwa_manager.services.force_kill import force_kill
from openwa_manager.services.heartbeat import Heartbeat
from openwa_manager.services.housekeeping import EngineLogs, Housekeeping
from openwa_manager.services.metrics_collector import Measurements
from openwa_manager.services.memory_guard import MemoryGuard
from openwa_manager.services.pacing import Pacing
from openwa_manager.services.prober import Prober
from openwa_manager.services.capacity import Room
from openwa_manager.services.usage_sampler import Sampler
from openwa_manager.services.sessions import Sessions
from openwa_manager.services.start_gate import StartGate
from openwa_manager.services.host_monitor import Reactions, Vigil
from openwa_manager.services.health import Vitals, Watchers
from openwa_manager.store import outbox
from openwa_manager.store.database import Database
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
            *(self.launcher, self.dispatcher, self.gate, self.sessions, self.sampler, self.watcher),
            *(self.prober, self.heartbeat, self.vigil, self.housekeeping, self.measurements, self.survey),
        )

    async def enter(self, stack: AsyncExitStack) -> None:
        """Have what holds connections or watches processes closed with the stack; the engines live on."""
        stack.callback(self.launcher.close)
        for engine in self.openwa_engines.values():
            await stack.enter_async_context(engine)
        await stack.enter_async_context(self.sender)

    def announce(self, stored: Sequence[StoredEvent]) -> None:
        """Let everybody know of events that are now on disk."""
        self.measurements.note(stored)
        if any(each.event.type == "session.status" for each in stored):
            self.sampler.rouse()
            self.watcher.look_again()
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
        return HostLauncher(self.home.locks, self.clock, self.meter.members_of)

    @cached_property
    def gate(self) -> StartGate:
        room = Room(
            disk=self.home.sessions,
            min_memory_bytes=self.settings.min_free_memory_bytes,
            min_disk_bytes=self.settings.min_free_disk_bytes,
        )
        return StartGate(self.clock, self.settings.start_concurrency, self.settings.start_spacing_s, room.find_shortage)

    @cached_property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            environ=os.environ,
            intake_url=f"http://{self.settings.intake_listen}",
            engine_env=self.settings.engine_env,
            logs_root=self.settings.logs_path,
        )

    @cached_property
    def openwa_engines(self) -> dict[str, OpenwaEngine]:
        programs: dict[str, Program] = {
            "openwa": NodeProgram(self.settings.node, self.settings.openwa_home, os.environ),
            "simulator": KnownProgram((sys.executable, "-m", "openwa_manager.simulator")),
        }
        around, engine_type = self.surroundings, self.settings.engine_type
        setups = {
            name: OpenwaSetup(
                program=each, surroundings=around, engine_type=engine_type, answer_timeout_s=self._answer_timeout_s
            )
            for name, each in programs.items()
        }
        return {name: OpenwaEngine(setup, self.clock) for name, setup in setups.items()}

    @cached_property
    def command_setup(self) -> CommandSetup:
        return CommandSetup(
            argv=self.settings.command_argv,
            surroundings=self.surroundings,
            env=self.settings.command_env,
            answer_timeout_s=self._answer_timeout_s,
        )

    @property
    def _answer_timeout_s(self) -> float:
        """Return how long an engine may take to answer: never less than a probe allows it."""
        return max(5.0, self.settings.probe_timeout_s)

    @cached_property
    def equipment(self) -> Equipment:
        return Equipment(
            clock=self.clock,
            chance=random.random,
            database=self.database,
            launcher=self.launcher,
            engines={**self.openwa_engines, "command": CommandEngine(self.command_setup)},
            gate=self.gate,
            ports=PortPool(self.settings.engine_ports.first, self.settings.engine_ports.last),
            policy=session_policy(self.settings),
            sessions_root=self.home.sessions,
            logs_root=self.settings.logs_path,
            stop_grace_s=self.settings.stop_grace_s,
            announce=self.announce,
            expect_code=lambda: self.watcher.look_again(),  # noqa: PLW0108 (the watcher is made from the sessions)
            is_offline=lambda: self.vigil.is_offline,
            awake_since=lambda: self.vigil.awake_since(),  # noqa: PLW0108 (the vigil is made from the sessions)
        )

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.equipment, self.settings.engine)

    @cached_property
    def guard(self) -> AddressGuard:
        exempt = (self.settings.upstream_url,) if self.settings.upstream_url else ()
        return AddressGuard(allow_private=self.settings.allow_private_endpoints, exempt=exempt)

    @cached_property
    def sender(self) -> Sender:
        return Sender(self.guard)

    @cached_property
    def courier(self) -> Courier:
        letterhead = Letterhead(host=platform.node(), qr_image=self.sessions.qr_image_of)
        return Courier(
            self.database, self.sender, self.clock, letterhead, delivery_policy(self.settings), random.random
        )

    @cached_property
    def broadcaster(self) -> Broadcaster:
        return Broadcaster(self.database)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        policy = delivery_policy(self.settings)
        return Dispatcher(self.database, self.clock, self.courier, policy, self.broadcaster.wake)

    @cached_property
    def endpoints(self) -> Endpoints:
        has_secret = self.settings.upstream_secret is not None
        ownership = Ownership(has_url=self.settings.upstream_url is not None, has_secret=has_secret)
        return Endpoints(self.database, self.courier, self.dispatcher, self.guard.check_url, self.clock, ownership)

    @cached_property
    def sampler(self) -> Sampler:
        guard = MemoryGuard(memory_limits(self.settings), self.sessions.patients, self.sessions.is_idle)
        period_s = self.settings.probe_period_s
        return Sampler(self.clock, period_s, self.meter.sample, self.sessions.live, guard.check)

    @cached_property
    def prober(self) -> Prober:
        return Prober(self.clock, random.random, probe_policy(self.settings), self.sessions.patients)

    @cached_property
    def vigil(self) -> Vigil:
        reactions = Reactions(on_network=self.sessions.look_again, on_slept=self._excuse_sleep)
        return Vigil(self.clock, has_default_route, self.sessions.iterate, reactions)

    async def _excuse_sleep(self, slept_s: float) -> None:
        self.prober.probe_all()
        await self.tell("host.slept", slept_s=round(slept_s, 1))

    @cached_property
    def watcher(self) -> QrWatcher:
        return QrWatcher(self.home.sessions, self.sessions.show_file, self.sessions.awaiting_qr, self.clock)

    @cached_property
    def heartbeat(self) -> Heartbeat:
        post, period_s = self.dispatcher.post_heartbeat, self.settings.heartbeat_s
        return Heartbeat(self.clock, period_s, self.sessions.iterate, self.sampler.usage, post)

    @cached_property
    def measurements(self) -> Measurements:
        usage = self.sampler.usage if self.settings.metrics_per_session else None
        return Measurements(VERSION, self.sessions, self.database, self.dispatcher.qr_push_times, usage)

    @cached_property
    def survey(self) -> DiskSurvey:
        return DiskSurvey(self.clock, self._directories)

    def _directories(self) -> dict[SessionId, Path]:
        names = (session.session_id for session in self.sessions.list_sessions())
        return {name: self.equipment.directory(name) for name in names}

    @cached_property
    def housekeeping(self) -> Housekeeping:
        logs = EngineLogs(self.settings.logs_max_bytes)
        return Housekeeping(self.clock, self.database, self.home.copies, logs, self.sessions.log_paths)

    @property
    def backing(self) -> Backing:
        """Return what the control plane stands on."""
        watchers = Watchers(
            pulse=self.prober.pulse,
            usage=self.sampler.usage,
            open_files=self.meter.open_files_of,
            disk=self.survey.used_bytes,
        )
        return Backing(
            sessions=self.sessions,
            vitals=Vitals(self.sessions, watchers, self.home.sessions),
            usage=self.sampler.usage,
            database=self.database,
            broadcaster=self.broadcaster,
            endpoints=self.endpoints,
            deliveries=Deliveries(self.database, self.dispatcher),
            recipes=self._recipes(),
            facts=Facts(host=platform.node(), version=VERSION, started_at=self.clock.now().at),
            pairing_window_s=self.settings.pairing_window_s,
            measure=self.measurements.read,
        )

    def _recipes(self) -> Recipes:
        env_names = dict.fromkeys(self.openwa_engines, openwa.ENV_NAMES)
        return Recipes(env_names={**env_names, "command": self.command_setup.env_names}, default=self.settings.engine)

    @property
    def gateway(self) -> GatewayBacking:
        """Return what the OpenWA-compatible API stands on."""
        gap_s = (self.settings.message_gap_min_s, self.settings.message_gap_max_s)
        return GatewayBacking(
            sessions=self.sessions,
            engines=self.openwa_engines,
            pacing=Pacing(self.clock, random.random, *gap_s),
            usage=self.sampler.usage,
            kill=partial(force_kill, self.sessions, self.equipment),
            now=lambda: self.clock.now().at,
        )

    @property
    def places(self) -> Places:
        """Return where to listen."""
        return Places(
            control=self.settings.listen,
            intake=self.settings.intake_listen,
            socket=self.settings.socket_path,
            tls_cert=self.settings.tls_cert,
            tls_key=self.settings.tls_key,
        )
