"""The daemon's life: prepare the host, start every part in order, and wind down in the mirror order."""

import asyncio
import faulthandler
import os
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from typing import Final, Protocol

import structlog
from aiohttp import web

from openwa_manager import logs
from openwa_manager.api.admission.admission import Admission
from openwa_manager.api.admission.authenticator import Authenticator
from openwa_manager.api.admission.host_check import HostCheck
from openwa_manager.api.admission.peers.client_address import ClientAddresses
from openwa_manager.api.admission.peers.socket_peers import SocketPeers
from openwa_manager.api.app import control_app
from openwa_manager.api.browsers.cors import Cors
from openwa_manager.api.connections.limits import ConnectionLimits, free_descriptor_count
from openwa_manager.api.connections.tls import TlsFiles
from openwa_manager.api.gateway.kept.webhook_posts import WebhookRelay
from openwa_manager.api.intake import intake_app
from openwa_manager.api.listeners import ListenAddresses, Peers, listen, take_port
from openwa_manager.config import Settings, warnings_about
from openwa_manager.config.policies import program_values
from openwa_manager.domain.access.audit import DAEMON, NewEntry
from openwa_manager.domain.access.callers import ADMIN_KEY
from openwa_manager.domain.errors import OpenwaManagerError, ProgramMissingError, needs_person, single_errors
from openwa_manager.domain.isolation import Isolation
from openwa_manager.domain.session.session import Session
from openwa_manager.domain.times import iso8601
from openwa_manager.engines.program import find_program
from openwa_manager.engines.registry import program_of, scripts_of
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.heap import begin_collection, keep_compact, put_off_collection
from openwa_manager.host.home import DaemonLock, Home, raise_file_limit
from openwa_manager.host.notify import ServiceManager
from openwa_manager.parts import VERSION, Parts, build_parts
from openwa_manager.parts.hooks import build_hooks
from openwa_manager.processes.confinement.support import system_support
from openwa_manager.processes.engine_processes import EngineProcesses
from openwa_manager.processes.locks import SessionLocks, reserve_lock_fd
from openwa_manager.processes.orphans import adopt_orphans
from openwa_manager.processes.reading.servers import TcpServers
from openwa_manager.processes.signals import ending_signals, restore_inherited
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.starting.registry_rebuild import DatabaseLoss, RegistryRebuild, open_safely
from openwa_manager.store.database import Connection
from openwa_manager.store.delivery.endpoints import DefaultEndpoint, configure_default
from openwa_manager.webhooks.signing import new_secret

_log = structlog.get_logger()

#: EX_CONFIG of sysexits(3): systemd does not start the daemon again (`RestartPreventExitStatus`), and says `failed`.
NEEDS_PERSON: Final = 78
#: A thread that scans the process table gives way to the event loop this often; Python's default is 5 ms.
_SWITCH_S = 0.0005
#: How long the last posts to the endpoints may take before the daemon ends without them.
_DRAIN_S = 5.0
#: How long messages that are being sent may take to have their outcome; OpenWA types for up to 5 s before it sends.
_SENDS_S = 10.0


class Embedder(Protocol):
    """Whoever runs the daemon inside a program of his own, as `mock` does, and what he changes of it."""

    def place(self, addresses: ListenAddresses) -> ListenAddresses:
        """Return where the daemon is to listen."""
        ...

    def admit(self, admission: Admission) -> Admission:
        """Return who is to be let in."""
        ...

    def extend(self, control: web.Application, sessions: SessionDirectory) -> None:
        """Add to what is served; called once, before anybody is."""
        ...


def run(settings: Settings, embedder: Embedder | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    0 when asked to stop, `NEEDS_PERSON` when what stands in the way will stand there at every start, 1 when it may go.
    SIGINT counts unless we were started to ignore it, as shells start what a script runs in the background.
    """
    os.umask(0o077)
    restore_inherited()
    adopt_orphans()
    reserve_lock_fd()  # before anything else takes the low numbers
    keep_compact()
    put_off_collection()  # until the sessions are taken up
    sys.setswitchinterval(_SWITCH_S)
    faulthandler.enable()  # a service manager whose watchdog starves sends SIGABRT: say where we hung
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings, embedder))
    except OpenwaManagerError as error:
        _log.error("daemon_not_started", code=error.code, detail=str(error))
        return exit_code_of([error])
    except BaseExceptionGroup as errors:
        expected, bugs = errors.split(OpenwaManagerError)
        if bugs is not None:
            raise
        failed = list(single_errors(expected))
        for each in failed:
            _log.error("daemon_failed", code=each.code, detail=str(each))
        return exit_code_of(failed)
    return 0


def exit_code_of(errors: Iterable[OpenwaManagerError]) -> int:
    """Return what the daemon exits with because of these errors."""
    return NEEDS_PERSON if any(map(needs_person, errors)) else 1


async def _serve(settings: Settings, embedder: Embedder | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ending_signals():
        loop.add_signal_handler(number, stop.set)
    home = Home(root=settings.home, sessions=settings.sessions_root)
    home.prepare()
    raise_file_limit()
    _say_isolation(settings)
    for warning in warnings_about(settings):
        _log.warning("settings_risky", detail=warning)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        stack.enter_context(DaemonLock(home.run / "daemon.lock"))
        stack.enter_context(DaemonLock(home.sessions / ".daemon.lock", f"the sessions in {home.sessions}"))
        settings, bound = _with_port(settings, stack)
        database, loss = await open_safely(home, clock, build_hooks(settings))
        stack.push_async_callback(database.close)
        await database.write(partial(_configure_default, settings=settings, at=clock.now().at))
        service_manager = ServiceManager(os.environ, settings.freeze_limit_s)
        stack.callback(service_manager.close)
        parts = build_parts(settings, home, clock, database, service_manager)
        if (change := await parts.access.keys.load()) is not None:
            parts.audit.note(NewEntry(actor=DAEMON, action=change, target=ADMIN_KEY, detail={"by": "admin.key"}))
        await _connect(parts, stack)
        locks = SessionLocks(home.locks, home.former_locks)
        rebuild = RegistryRebuild(home, locks, clock, database, parts.files, settings.engine)
        sessions = await _complete_registry(parts, rebuild, loss)
        await parts.prefetch.sweep()
        await parts.api.builds.catalog.load()
        await parts.api.builds.rollouts.load()
        await parts.runner.load(sessions)
        await parts.api.pairing.links.load()
        control, addresses = _build_control(parts, settings, bound, embedder)
        say_program = partial(_say_program, settings, parts) if embedder is None else None
        async with _beside(_settle(parts.progress, say_program)):
            await _work(parts, control, addresses, service_manager, stop)
    _log.info("daemon_stopped")


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let this happen while the body runs, which does not wait for it."""
    async with asyncio.TaskGroup() as tasks:
        begun = tasks.create_task(work)
        yield
        begun.cancel()


async def _settle(progress: Progress, say_program: Callable[[], Awaitable[None]] | None) -> None:
    """Do once the sessions are taken up what would only hold that up."""
    await progress.until_settled()
    begin_collection()
    if say_program is not None:
        await say_program()


def _build_control(
    parts: Parts, settings: Settings, bound: socket.socket | None, embedder: Embedder | None
) -> tuple[web.Application, ListenAddresses]:
    """Return what answers callers, and where; as the embedder wants it, if there is one."""
    admission, addresses = _admission(parts, settings), _listen_addresses(settings, bound)
    if embedder is None:
        return control_app(admission, parts.api, parts.gateway), addresses
    control = control_app(embedder.admit(admission), parts.api, parts.gateway)
    embedder.extend(control, parts.sessions)
    return control, embedder.place(addresses)


def _admission(parts: Parts, settings: Settings) -> Admission:
    engines = EngineProcesses(parts.sessions.live, scripts_of(settings.openwa_home, settings.command_argv))
    return Admission(
        addresses=ClientAddresses(settings.trusted_proxies, settings.client_address_header),
        host_check=HostCheck(settings.public_names),
        authenticator=Authenticator(parts.access.ring.identify, SocketPeers(engines.includes, TcpServers().includes)),
        open_calls=parts.access.open_calls,
        limits=parts.access.limits,
        cors=Cors(settings.cors_origins),
    )


def _say_isolation(settings: Settings) -> None:
    """Say it when no engine can be kept apart here, or with gaps; not when nobody wants it."""
    support = system_support()
    if settings.engine_isolation is Isolation.NONE:
        return
    if not support.is_possible:
        _log.warning("engines_not_isolated", reason=support.what)
    elif support.gaps:
        _log.warning("engines_partly_isolated", by=support.what, they_can_still=support.gaps)


async def _say_program(settings: Settings, parts: Parts) -> None:
    """Say which program engines will run, or what is missing, as `config check` does; a node may be slow to tell."""
    values = program_values(settings, os.environ).of_build(parts.api.builds.catalog.default.name)
    program = program_of(settings.engine, values)
    try:
        found = await find_program(program)
    except ProgramMissingError as error:
        _log.warning("engine_program_missing", engine=settings.engine, detail=str(error))
    except OSError as error:  # nothing starts either, but the daemon must: it adopts
        _log.warning("engine_program_unknown", engine=settings.engine, error=str(error))
    else:
        _log.info("engine_program", engine=settings.engine, argv=shlex.join(found.argv), version=found.version)


async def _connect(parts: Parts, stack: AsyncExitStack) -> None:
    """Have what holds connections or watches processes closed with the stack; the engines live on."""
    stack.callback(parts.files.close)
    stack.callback(parts.launcher.close)
    for each in parts.connected:
        await stack.enter_async_context(each)


async def _complete_registry(parts: Parts, rebuild: RegistryRebuild, loss: DatabaseLoss | None) -> Sequence[Session]:
    """Record what the database does not know of what runs, hold what it would send, and say so; return its sessions.

    Nothing is recorded, held or said when it is the one that was there last.
    """
    finding = await parts.generations.find()
    sessions = await rebuild.recorded()
    loss = loss or await rebuild.find_loss(sessions)
    if loss is None and finding.why is not None:
        loss = DatabaseLoss(why=finding.why, copy=None)
    if loss is not None:
        adopted, resting = await rebuild.run()
        await parts.generations.hold()
        await parts.api.pairing.links.give_up()
        parts.audit.note(NewEntry(actor=DAEMON, action="manager.recovered", detail={"why": loss.why}))
        await parts.announcer.announce(
            "manager.recovered",
            why=loss.why,
            restored_from=str(loss.copy) if loss.copy else None,
            lost_since=None if finding.newest_at is None else iso8601(finding.newest_at),
            adopted=adopted,
            resting=resting,
        )
        sessions = await rebuild.recorded()
    await parts.generations.begin()
    return sessions


def _with_port(settings: Settings, stack: AsyncExitStack) -> tuple[Settings, socket.socket | None]:
    """Return the settings with the port that the system chose, and the socket that has it; None when one is named.

    It is taken before anything is built that tells where the API is.
    """
    if settings.listen.port:
        return settings, None
    bound = stack.enter_context(closing(take_port(settings.listen.host)))
    listen = settings.listen._replace(port=bound.getsockname()[1])
    return settings.model_copy(update={"listen": listen}), bound


def _listen_addresses(settings: Settings, bound: socket.socket | None) -> ListenAddresses:
    is_proxy_unknown = settings.behind_proxy and not settings.trusted_proxies
    return ListenAddresses(
        control=settings.listen if bound is None else bound,
        intake=settings.intake_listen,
        socket=settings.socket_path,
        tls=TlsFiles(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None,
        peers=Peers(shared=None if is_proxy_unknown else settings.trusted_proxies, has_proxy=settings.has_proxy),
    )


async def _work(
    parts: Parts,
    control: web.Application,
    addresses: ListenAddresses,
    service_manager: ServiceManager,
    stop: asyncio.Event,
) -> None:
    """Listen, then run all services, until asked to stop; what started last ends first."""
    async with asyncio.TaskGroup() as services:
        async with AsyncExitStack() as listeners:
            relay = WebhookRelay(parts.sessions, parts.gateway.database, parts.gateway.sender)
            intake = intake_app(parts.sessions, parts.inbox, parts.backpressure, relay)
            limits = ConnectionLimits.within(free_descriptor_count())
            await listen(addresses, control, intake, listeners, limits)
            running = [services.create_task(each.run()) for each in parts.services]
            if addresses.tls is not None:
                running.append(services.create_task(addresses.tls.run()))
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, addresses.tls.ask)
            head = (await parts.audit.chain_ends()).head_hash.hex()
            await parts.announcer.announce("manager.started", audit_head=head)
            _log.info("daemon_started", home=str(parts.home.root), listen=addresses.address, version=VERSION)
            await stop.wait()
            service_manager.stopping()
            parts.runner.drain()
            await parts.announcer.announce("manager.stopping")
            await parts.queues.drain(_SENDS_S)
            await parts.dispatcher.drain(_DRAIN_S)
        for task in reversed(running):
            task.cancel()
    await parts.audit.finish()


def _configure_default(connection: Connection, settings: Settings, at: float) -> None:
    secret = settings.upstream_secret.get_secret_value() if settings.upstream_secret else None
    default = DefaultEndpoint(url=settings.upstream_url, secret=secret, events=settings.upstream_events)
    configure_default(connection, default, fallback_secret=new_secret(), at=at)
