"""The composition root: builds every part from the settings, starts them in order, winds down in the mirror order."""

import asyncio
import faulthandler
import os
import platform
import random
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Protocol

import structlog
from aiohttp import web

from openwa_manager import logs
from openwa_manager.api.app import Backing, control_app
from openwa_manager.api.auth import Door, make_admin_key
from openwa_manager.api.gateway import GatewayBacking, gateway_app
from openwa_manager.api.intake import intake_app
from openwa_manager.api.sessions import Recipes
from openwa_manager.api.system import Facts
from openwa_manager.config import Settings
from openwa_manager.config.policies import delivery_policy, memory_limits, probe_policy, session_policy
from openwa_manager.domain.errors import ConfigError, OpenwaManagerError, StorageFullError
from openwa_manager.domain.events import Event, StoredEvent
from openwa_manager.domain.ports import Engine
from openwa_manager.domain.session import ReasonCode
from openwa_manager.engines import command, openwa
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import Surroundings
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import KnownProgram, NodeProgram, Program
from openwa_manager.host import capacity
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.home import DaemonLock, Home, raise_file_limit
from openwa_manager.host.network import has_default_route
from openwa_manager.host.notify import ServiceManager
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import reserve_fd
from openwa_manager.processes.ports import PortPool
from openwa_manager.processes.usage import UsageMeter
from openwa_manager.services.broadcaster import Broadcaster
from openwa_manager.services.courier import Courier, Letterhead
from openwa_manager.services.deliveries import Deliveries
from openwa_manager.services.disk_survey import DiskSurvey
from openwa_manager.services.dispatcher import Dispatcher
from openwa_manager.services.endpoints import Endpoints, Ownership
from openwa_manager.services.equipment import Equipment
from openwa_manager.services.force_kill import force_kill
from openwa_manager.services.gauge import Gauge
from openwa_manager.services.heartbeat import Heartbeat
from openwa_manager.services.herald import Herald
from openwa_manager.services.housekeeping import Housekeeping
from openwa_manager.services.measurements import Measurements
from openwa_manager.services.memory_guard import MemoryGuard
from openwa_manager.services.pacing import Pacing
from openwa_manager.services.prober import Prober
from openwa_manager.services.sampler import Sampler
from openwa_manager.services.sessions import Sessions
from openwa_manager.services.start_gate import Shortage, StartGate
from openwa_manager.services.vigil import Reactions, Vigil
from openwa_manager.services.vitals import Vitals, Watchers
from openwa_manager.store import outbox
from openwa_manager.store.database import Database
from openwa_manager.store.endpoints import configure_default
from openwa_manager.watcher.qr import QrWatcher
from openwa_manager.webhooks.address import AddressGuard
from openwa_manager.webhooks.sender import Sender
from openwa_manager.webhooks.signing import new_secret

_log = structlog.get_logger()

_VERSION = metadata.version("openwa-manager")
#: How long requests under way may still take once we stop.
_GOODBYE_S = 2.0


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code: 0 when asked to stop, 1 when something stood in the way."""
    os.umask(0o077)
    reserve_fd()  # before anything else takes the low numbers
    faulthandler.enable()  # a service manager whose watchdog starves sends SIGABRT: say where we hung
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings))
    except OpenwaManagerError as error:
        _log.error("daemon_not_started", code=error.code, detail=str(error))
        return 1
    except BaseExceptionGroup as errors:
        expected, bugs = errors.split(OpenwaManagerError)
        if bugs is not None:
            raise
        _log.error("daemon_failed", detail=str(expected))
        return 1
    return 0


class _Service(Protocol):
    """A part with a life of its own."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channels:
    """All that tells the world what happens."""

    dispatcher: Dispatcher
    broadcaster: Broadcaster
    endpoints: Endpoints
    deliveries: Deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What the listeners stand on, and all `services` in the order in which they start."""

    sessions: Sessions
    channels: _Channels
    announce: Callable[[Sequence[StoredEvent]], None]
    sampler: Sampler
    vitals: Vitals
    gateway: GatewayBacking
    measurements: Measurements
    services: tuple[_Service, ...]


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    home = Home(root=settings.home, sessions=settings.sessions_root)
    home.prepare()
    raise_file_limit()
    clock, manager = SystemClock(), ServiceManager(os.environ)
    async with AsyncExitStack() as stack:
        stack.enter_context(DaemonLock(home.run / "daemon.lock"))
        admin_key = make_admin_key(home.admin_key)
        database = await stack.enter_async_context(Database(home.database))
        parts = await _build(settings, home, database, clock, stack)
        await parts.sessions.load()
        facts = Facts(host=platform.node(), version=_VERSION, started_at=clock.now().at)
        backing = Backing(
            sessions=parts.sessions,
            vitals=parts.vitals,
            usage=parts.sampler.usage,
            database=database,
            broadcaster=parts.channels.broadcaster,
            endpoints=parts.channels.endpoints,
            deliveries=parts.channels.deliveries,
            recipes=_recipes(settings),
            facts=facts,
            pairing_window_s=settings.pairing_window_s,
            measure=parts.measurements.read,
        )
        door = Door(admin_key, settings.allowed_hosts)
        async with asyncio.TaskGroup() as services:
            running = [services.create_task(each.run()) for each in parts.services]
            async with AsyncExitStack() as listeners:
                control = control_app(door, backing)
                control.add_subapp("/api", gateway_app(parts.gateway))
                await _listen(settings, control, intake_app(parts.sessions, Gauge(database, clock).is_full), listeners)
                await _tell(database, parts.announce, Event(type="manager.started", occurred_at=clock.now().at))
                herald = Herald(manager, parts.sessions, database, clock)
                running.append(services.create_task(herald.run()))
                _log.info("daemon_started", home=str(home.root), listen=str(settings.listen), version=_VERSION)
                await stop.wait()
                manager.stopping()
                parts.sessions.drain()
                await _tell(database, parts.announce, Event(type="manager.stopping", occurred_at=clock.now().at))
            for task in reversed(running):
                task.cancel()
    _log.info("daemon_stopped")


async def _build(
    settings: Settings, home: Home, database: Database, clock: SystemClock, stack: AsyncExitStack
) -> _Parts:
    meter = UsageMeter(clock)
    launcher = HostLauncher(home.locks, clock, meter.members_of)
    stack.callback(launcher.close)
    gate = StartGate(
        clock, settings.start_concurrency, settings.start_spacing_s, partial(_find_shortage, settings, home)
    )
    engines = await _engines(settings, clock, stack)

    def announce(stored: Sequence[StoredEvent]) -> None:
        measurements.note(stored)
        channels.dispatcher.wake()
        channels.broadcaster.wake()

    equipment = Equipment(
        clock=clock,
        chance=random.random,
        database=database,
        launcher=launcher,
        engines=engines,
        gate=gate,
        ports=PortPool(settings.engine_ports.first, settings.engine_ports.last),
        policy=session_policy(settings),
        sessions_root=home.sessions,
        logs_root=settings.logs_path,
        stop_grace_s=settings.stop_grace_s,
        announce=announce,
        is_offline=lambda: vigil.is_offline,
    )
    sessions = Sessions(equipment, settings.engine)
    channels = await _channels(settings, database, clock, sessions, stack)
    guard = MemoryGuard(memory_limits(settings), sessions.patients, sessions.is_idle)
    sampler = Sampler(clock, meter.sample, sessions.live, guard.check)
    prober = Prober(clock, random.random, probe_policy(settings), sessions.patients)

    async def excuse_sleep(slept_s: float) -> None:
        prober.probe_all()
        event = Event(type="host.slept", occurred_at=clock.now().at, data={"slept_s": slept_s})
        await _tell(database, announce, event)

    reactions = Reactions(on_network=sessions.look_again, on_slept=excuse_sleep)
    vigil = Vigil(clock, has_default_route, sessions.list_sessions, reactions)
    watcher = QrWatcher(home.sessions, sessions.show_file, sessions.awaiting_qr, clock)
    post = channels.dispatcher.post_heartbeat
    heartbeat = Heartbeat(clock, settings.heartbeat_s, sessions.list_sessions, sampler.usage, post)
    usage = sampler.usage if settings.metrics_per_session else None
    measurements = Measurements(_VERSION, sessions, database, channels.dispatcher.qr_push_times, usage)
    survey = DiskSurvey(
        clock, lambda: {each.session_id: equipment.directory(each.session_id) for each in sessions.list_sessions()}
    )
    watchers = Watchers(pulse=prober.pulse, usage=sampler.usage, open_files=meter.open_files_of, disk=survey.used_bytes)
    housekeeping = Housekeeping(clock, database, home.copies, sessions.log_paths)
    gateway = GatewayBacking(
        sessions=sessions,
        engines={name: engine for name, engine in engines.items() if isinstance(engine, OpenwaEngine)},
        pacing=Pacing(clock, random.random, settings.message_gap_min_s, settings.message_gap_max_s),
        usage=sampler.usage,
        kill=partial(force_kill, sessions, equipment),
        now=lambda: clock.now().at,
    )
    return _Parts(
        sessions=sessions,
        channels=channels,
        announce=announce,
        sampler=sampler,
        vitals=Vitals(sessions, watchers),
        gateway=gateway,
        measurements=measurements,
        services=(
            *(launcher, channels.dispatcher, gate, sessions, sampler, watcher),
            *(prober, heartbeat, vigil, housekeeping, measurements, survey),
        ),
    )


async def _engines(settings: Settings, clock: SystemClock, stack: AsyncExitStack) -> dict[str, Engine]:
    surroundings = Surroundings(
        environ=os.environ,
        intake_url=f"http://{settings.intake_listen}",
        engine_env=settings.engine_env,
        logs_root=settings.logs_path,
    )
    programs: dict[str, Program] = {
        "openwa": NodeProgram(settings.node, settings.openwa_home, os.environ),
        "simulator": KnownProgram((sys.executable, "-m", "openwa_manager.simulator")),
    }
    engines: dict[str, Engine] = {}
    for name, program in programs.items():
        setup = OpenwaSetup(program=program, surroundings=surroundings, engine_type=settings.engine_type)
        engines[name] = await stack.enter_async_context(OpenwaEngine(setup, clock))
    engines["command"] = CommandEngine(_command_setup(settings, surroundings))
    return engines


def _recipes(settings: Settings) -> Recipes:
    own_names = command.ENV_NAMES.union(settings.command_env)
    env_names = {"openwa": openwa.ENV_NAMES, "simulator": openwa.ENV_NAMES, "command": own_names}
    return Recipes(env_names=env_names, default=settings.engine)


def _command_setup(settings: Settings, surroundings: Surroundings) -> CommandSetup:
    return CommandSetup(argv=settings.command_argv, surroundings=surroundings, env=settings.command_env)


async def _channels(
    settings: Settings, database: Database, clock: SystemClock, sessions: Sessions, stack: AsyncExitStack
) -> _Channels:
    secret = settings.upstream_secret.get_secret_value() if settings.upstream_secret else None
    default = partial(configure_default, url=settings.upstream_url, secret=secret, fallback_secret=new_secret())
    await database.write(partial(default, at=clock.now().at))
    exempt = (settings.upstream_url,) if settings.upstream_url else ()
    guard = AddressGuard(allow_private=settings.allow_private_endpoints, exempt=exempt)
    sender = await stack.enter_async_context(Sender(guard))
    policy = delivery_policy(settings)
    letterhead = Letterhead(host=platform.node(), qr_image=sessions.qr_image_of)
    courier = Courier(database, sender, clock, letterhead, policy, random.random)
    broadcaster = Broadcaster(database)
    dispatcher = Dispatcher(database, clock, courier, policy, broadcaster.wake)
    ownership = Ownership(has_url=settings.upstream_url is not None, has_secret=secret is not None)
    return _Channels(
        dispatcher=dispatcher,
        broadcaster=broadcaster,
        endpoints=Endpoints(database, courier, dispatcher, guard.check_url, clock, ownership),
        deliveries=Deliveries(database, dispatcher),
    )


def _find_shortage(settings: Settings, home: Home) -> Shortage | None:
    memory_bytes = capacity.free_memory_bytes()
    if memory_bytes < settings.min_free_memory_bytes:
        detail = f"{memory_bytes} bytes of memory free, {settings.min_free_memory_bytes} are kept free"
        return Shortage(code=ReasonCode.MEMORY_LOW, detail=detail)
    disk_bytes = capacity.free_disk_bytes(home.sessions)
    if disk_bytes < settings.min_free_disk_bytes:
        detail = f"{disk_bytes} bytes of disk free, {settings.min_free_disk_bytes} are kept free"
        return Shortage(code=ReasonCode.DISK_FULL, detail=detail)
    return None


async def _tell(database: Database, announce: Callable[[Sequence[StoredEvent]], None], event: Event) -> None:
    """Put an event of the daemon itself in the outbox; a full disk loses it, and nothing else."""
    try:
        announce(await database.write(partial(outbox.append, events=[event])))
    except StorageFullError as error:
        _log.warning("event_not_recorded", type=event.type, error=str(error))


async def _listen(
    settings: Settings, control: web.Application, intake: web.Application, listeners: AsyncExitStack
) -> None:
    """Open the intake, the unix socket and the HTTP API; they close in the mirror order, requests under way first."""
    intake_runner = await _runner(intake, listeners)
    control_runner = await _runner(control, listeners)
    socket_path = settings.socket_path
    socket_path.unlink(missing_ok=True)
    host, port = settings.intake_listen
    tls = _tls(settings)
    try:
        await web.TCPSite(intake_runner, host, port).start()
        await web.UnixSite(control_runner, socket_path).start()
        await web.TCPSite(control_runner, settings.listen.host, settings.listen.port, ssl_context=tls).start()
    except OSError as error:
        raise ConfigError(f"cannot listen ({error.strerror}): choose another listen or intake_listen") from error


async def _runner(app: web.Application, listeners: AsyncExitStack) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_S, handler_cancellation=True)
    await runner.setup()
    listeners.push_async_callback(runner.cleanup)
    return runner


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls_cert and tls_key cannot be used together: {error}") from error
    return context
