"""The whole daemon behind the API, on real parts: database, supervisors, simulator processes, sockets."""

import asyncio
import hashlib
import hmac
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from pathlib import Path

from aiohttp import ClientSession, UnixConnector, web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from openwa_manager.api.access.dependencies import AccessDependencies
from openwa_manager.api.admission.admission import Admission
from openwa_manager.api.admission.authenticator import Authenticator
from openwa_manager.api.admission.host_check import HostCheck
from openwa_manager.api.admission.peers.client_address import ClientAddresses
from openwa_manager.api.admission.peers.socket_peers import SocketPeers
from openwa_manager.api.app import ApiDependencies, control_app
from openwa_manager.api.builds.builds import BuildDependencies
from openwa_manager.api.gateway.app import GatewayDependencies
from openwa_manager.api.gateway.kept.webhook_posts import WebhookRelay
from openwa_manager.api.host.system import HostFacts
from openwa_manager.api.intake import intake_app
from openwa_manager.api.pairing.links import PairingDependencies
from openwa_manager.api.sessions.sessions import Recipes
from openwa_manager.domain.access.callers import UNIX_SOCKET
from openwa_manager.domain.access.roles import Role
from openwa_manager.domain.access.scopes import scope_of
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import DrainingError, SessionNotFoundError
from openwa_manager.domain.session.session import LaunchId, Session, SessionId, Usage
from openwa_manager.engines.openwa import OpenwaEngine
from openwa_manager.engines.program import FixedProgram, Program
from openwa_manager.host.clock import SystemClock
from openwa_manager.parts.hooks import message_hooks
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.reading.servers import TcpServers
from openwa_manager.services.access.audit import Audit
from openwa_manager.services.access.keys import KeyDraft
from openwa_manager.services.access.pairing.links import PairingLinks
from openwa_manager.services.access.rate_limits import RateLimits
from openwa_manager.services.builds.moving import RolloutRecords, RolloutSessions
from openwa_manager.services.changes import Changes
from openwa_manager.services.delivery.attempts import EnvelopeWriter
from openwa_manager.services.delivery.dispatcher import Dispatcher
from openwa_manager.services.messaging.gateway.batches import GatewayBatches
from openwa_manager.services.messaging.sending.reach import EngineReach
from openwa_manager.services.monitoring.data_inspector import DataInspector
from openwa_manager.services.monitoring.health import HealthReader, HealthSources
from openwa_manager.services.sessions.directory import SessionDirectory
from openwa_manager.services.sessions.engine_inbox import EngineInbox
from openwa_manager.services.sessions.force_kill import force_kill
from openwa_manager.services.sessions.requests import SessionRequests
from openwa_manager.services.sessions.runner import SessionRunner
from openwa_manager.services.sessions.supervisors import Supervisors
from openwa_manager.services.starting.dependencies import Dependencies
from openwa_manager.services.starting.progress import Progress
from openwa_manager.services.starting.start_gate import StartGate
from openwa_manager.store.database import Database
from openwa_manager.store.sessions import registry
from tests.api.access.keyring import Keyring, keyring_of
from tests.api.builds.building import builds_of
from tests.api.delivery.channels import PACE, Channels, channels_of
from tests.api.doctors import doctor_of
from tests.api.foundations import FILES, dependencies_of, engine_of, launcher_in
from tests.api.measuring import Counted, measurements_of
from tests.api.messaging.building import Messaging, messaging_of
from tests.api.messaging.lanes import QueueLane, queue_lane
from tests.api.pairing.building import pairing_of
from tests.fakes.polling import until
from tests.services.messaging.sending.resting import no_media

USER_AND_ID = "user_1_session_550e8400"
SIMULATOR = FixedProgram((sys.executable, "-m", "openwa_manager.simulator"))
#: Nobody measures anything here.
UNWATCHED = HealthSources(record=lambda _: None, usage=lambda _: None, open_files=lambda _: None, disk=lambda _: None)
ALLOWED_HOST = "wa.example.com"
#: Who calls from there may say in X-Forwarded-For for whom it asks: what calls the world itself.
TRUSTED_PROXY = "127.0.0.1/32"
DELETE_WITHIN_S = 5.0

Object = dict[str, Json]
Client = TestClient[web.Request, web.Application]


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Object:
        value: Object = json.loads(self.raw)
        return value

    @property
    def code(self) -> Json:
        """The code of a problem, which it is checked to be."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["request_id"] == self.headers["X-Request-ID"]
        assert self.json["status"] == self.status
        return self.json["code"]


@dataclass
class World:
    """What a test may touch."""

    sessions: SessionDirectory
    requests: SessionRequests
    inbox: EngineInbox
    runner: SessionRunner
    database: Database
    home: Path
    channels: Channels
    audit: Audit
    changes: Changes
    used: dict[SessionId, Usage] = field(default_factory=dict)
    counted: Counted = field(default_factory=Counted)
    engines: dict[str, OpenwaEngine] = field(default_factory=dict)
    engine_pids: set[int] = field(default_factory=set)
    key: str = field(init=False)
    keyring: Keyring = field(init=False)
    lane: QueueLane = field(init=False)
    batches: GatewayBatches = field(init=False)
    gateway: GatewayDependencies = field(init=False)
    messaging: Messaging = field(init=False)
    pairing: PairingDependencies = field(init=False)
    builds: BuildDependencies = field(init=False)
    client: Client = field(init=False)
    intake: Client = field(init=False)

    @property
    def port(self) -> int:
        """The API's port, for what no client would say."""
        assert self.client.port is not None
        return self.client.port

    def find(self, session_id: SessionId) -> Session | None:
        """Return a session; None when there is none."""
        try:
            return self.sessions.get(session_id)
        except SessionNotFoundError:
            return None

    async def call(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Call the API with the admin's key."""
        given = {"X-API-Key": self.key, **(headers or {})}
        async with self.client.request(method, path, json=body, headers=given) as answer:
            return Reply(answer.status, dict(answer.headers), await answer.read())

    async def create(self, **body: object) -> Object:
        """Create a session, which must be new."""
        reply = await self.call("POST", "/v1/sessions", {"timeout_s": 20, **body})
        assert reply.status == 201, reply.raw
        return reply.json

    async def key_of(
        self, role: Role, *, sessions: Sequence[str] = ("*",), qr: bool = False, chats: bool = False
    ) -> str:
        """Make a key and return its text, as `X-API-Key` takes it."""
        draft = KeyDraft(name=f"a {role}", role=role, scope=scope_of(sessions), has_qr=qr, has_chats=chats)
        return (await self.keyring.keys.create(UNIX_SOCKET, draft)).text

    async def raw(self, head: str, body: bytes = b"", *, port: int | None = None) -> tuple[int, Mapping[str, str]]:
        """Send a request exactly as written, and return status and headers of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port)
        try:
            writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        finally:
            writer.close()
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def play(self, session_id: str, verb: str) -> None:
        """Play WhatsApp or the phone on the session's simulator."""
        launch = self.sessions.get(session_id).launch
        assert launch is not None
        assert launch.socket is not None
        async with (
            ClientSession(connector=UnixConnector(str(launch.socket))) as engine,
            engine.post(f"http://localhost/_sim/{verb}") as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def post_event(self, session: Session, body: bytes, **changed: str) -> Reply:
        """Post to the intake as the session's engine does; `changed` replaces secret, launch_id, key or session_id."""
        launch = session.launch
        launch_id = changed.get("launch_id", launch.launch_id if launch else LaunchId("none"))
        secret = changed.get("secret", launch.secret if launch else "")
        headers = {"X-OpenWA-Signature": changed.get("signature", sign(secret, body))}
        if "key" in changed:
            headers["X-OpenWA-Idempotency-Key"] = changed["key"]
        session_id = changed.get("session_id", session.session_id)
        async with self.intake.post(f"/hooks/{session_id}/{launch_id}", data=body, headers=headers) as answer:
            return Reply(answer.status, dict(answer.headers), await answer.read())


def sign(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def world_in(
    home: Path,
    aiohttp_client: AiohttpClient,
    *,
    takes_up: bool = True,
    program: Program = SIMULATOR,
    gap_s: float = 0.0,
    silence_s: float = 60.0,
) -> AsyncIterator[World]:
    """Build the daemon's inside in `home`, run it, and end all its engines afterwards.

    Without `takes_up` its sessions are known, but not run. `program` is what it takes for an OpenWA; `gap_s` lies
    between two messages, and after `silence_s` a request handed on to the engine has no answer.
    """
    intake_socket, port = _reserved()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(home / "manager.db", hooks=message_hooks(["STOP"])))
        engine = await stack.enter_async_context(engine_of(program, port, database, silence_s))
        launcher = stack.enter_context(launcher_in(home / "locks"))
        dependencies = dependencies_of(home, database, engine, launcher)
        sessions, requests, inbox, runner = await _sessions_of(dependencies)
        channels = await stack.enter_async_context(channels_of(database, _writer_of(sessions)))
        dependencies.changes.events_stored.subscribe(channels.announce)
        world = World(
            sessions=sessions,
            requests=requests,
            inbox=inbox,
            runner=runner,
            database=database,
            home=home,
            channels=channels,
            audit=Audit(database, dependencies.clock),
            changes=dependencies.changes,
            engines={"simulator": engine},
        )
        await _equip(world, dependencies, launcher, gap_s)
        await _serve(world, aiohttp_client, intake_socket)
        parts = (launcher, dependencies.gate, channels.dispatcher, *((runner,) if takes_up else ()))
        async with _running(world, parts):
            yield world


async def _equip(world: World, dependencies: Dependencies, launcher: HostLauncher, gap_s: float) -> None:
    """Give it what sends messages, what tells who may, and what counts."""
    world.changes.session_moved.subscribe(world.counted.moves.note)
    clock, background = dependencies.clock, world.channels.background
    world.keyring = await keyring_of(world.home, world.database, clock, world.changes, background)
    world.key = (world.home / "admin.key").read_text().strip()
    world.messaging = messaging_of(world.database, dependencies.clock, dependencies.changes, world.channels.background)
    reach = EngineReach(world.find, world.engines, dependencies.directory)
    (world.home / "media").mkdir(exist_ok=True)
    media = no_media(world.home / "media", dependencies.clock)
    world.lane = queue_lane(world.messaging.gate, reach, gap_s, media)
    world.batches = GatewayBatches(
        world.messaging.records, dependencies.clock, world.messaging.bulk, world.messaging.api.batches, media
    )
    world.gateway = _gateway(world, dependencies)
    links = PairingLinks(world.sessions, world.requests, world.database, clock, world.keyring.ring, world.audit)
    links.subscribe_to(world.changes)
    world.pairing = pairing_of(links, clock)
    moving = RolloutSessions(directory=world.sessions, requests=world.requests, choices=dependencies.builds)
    recording = RolloutRecords(database=world.database, audit=world.audit, background=background)
    world.builds = builds_of(world.home, dependencies, launcher, moving, recording)


def _writer_of(sessions: SessionDirectory) -> EnvelopeWriter:
    return EnvelopeWriter(host="mac-mini-1", qr_image=sessions.qr_image_of)


@asynccontextmanager
async def _running(
    world: World, parts: Sequence[HostLauncher | StartGate | Dispatcher | SessionRunner]
) -> AsyncIterator[None]:
    """Run the parts; end all engines before they stop."""
    lane = (world.lane.queues, world.lane.sends)
    async with asyncio.TaskGroup() as tasks:
        others = (*lane, world.keyring.upkeep, world.audit, world.pairing.links)
        running = [tasks.create_task(part.run()) for part in (*parts, *others)]
        try:
            yield
        finally:
            await _end_all(world)
            for task in running:
                task.cancel()


async def _serve(world: World, aiohttp_client: AiohttpClient, intake_socket: socket.socket) -> None:
    """Serve the API on TCP and on a unix socket, and the intake where the engines were told that it is."""
    world.client = await aiohttp_client(control_of(world))
    assert world.client.server.runner is not None
    await web.UnixSite(world.client.server.runner, str(world.home / "manager.sock")).start()
    relay = WebhookRelay(world.sessions, world.database, world.channels.sender)
    intake = intake_app(world.sessions, world.inbox, world.channels.room, relay, 0.3)
    world.intake = await aiohttp_client(intake, server_kwargs={"socket_factory": lambda *_: intake_socket})


def _reserved() -> tuple[socket.socket, int]:
    """Return a socket, and the port that it has taken."""
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    return reserved, reserved.getsockname()[1]


def backing_of(world: World) -> ApiDependencies:
    return ApiDependencies(
        sessions=world.sessions,
        requests=world.requests,
        health=HealthReader(world.sessions, world.inbox, UNWATCHED, world.home / "sessions", FILES),
        doctor=doctor_of(world.sessions, world.database, world.messaging.api.queues, world.channels.endpoints),
        database=world.database,
        audit=world.audit,
        files=FILES,
        broadcaster=world.channels.broadcaster,
        endpoints=world.channels.endpoints,
        deliveries=world.channels.deliveries,
        messaging=world.messaging.api,
        access=AccessDependencies(keys=world.keyring.keys),
        pairing=world.pairing,
        builds=world.builds,
        usage=world.used.get,
        recipes=Recipes(engines=world.engines, default="simulator"),
        facts=HostFacts(
            host="mac-mini-1", url="http://[::1]:2790", engine="simulator", version="0.1.0", started_at=1_800_000_000.0
        ),
        pairing_window_s=180.0,
        measure=measurements_of(world).read_within,
        request_tally=world.counted.requests,
        timing=PACE,
    )


def admission_of(world: World) -> Admission:
    """Return what lets callers in; nobody calls too often."""
    peers = SocketPeers(world.engine_pids.__contains__, TcpServers().includes)
    return Admission(
        addresses=ClientAddresses([ip_network(TRUSTED_PROXY)]),
        host_check=HostCheck([ALLOWED_HOST]),
        authenticator=Authenticator(world.keyring.ring.identify, peers),
        open_calls=world.keyring.open_calls,
        limits=RateLimits(SystemClock(), None),
    )


def control_of(world: World) -> web.Application:
    return control_app(admission_of(world), backing_of(world), world.gateway)


def _gateway(world: World, dependencies: Dependencies) -> GatewayDependencies:
    return GatewayDependencies(
        sessions=world.sessions,
        requests=world.requests,
        inbox=world.inbox,
        engines=world.engines,
        sends=world.lane.sends,
        batches=world.batches,
        background=world.channels.background,
        database=world.database,
        sender=world.channels.sender,
        health=HealthReader(world.sessions, world.inbox, UNWATCHED, world.home / "sessions", FILES),
        inspector=DataInspector(dependencies.clock, 60.0, world.inbox, dependencies.directory),
        usage=world.used.get,
        kill=partial(force_kill, world.requests, dependencies),
        version="0.1.0",
        now=lambda: dependencies.clock.now().at,
    )


async def _sessions_of(
    dependencies: Dependencies,
) -> tuple[SessionDirectory, SessionRequests, EngineInbox, SessionRunner]:
    supervisors, progress = Supervisors(), Progress(dependencies.clock)
    inbox = EngineInbox(supervisors, dependencies)
    runner = SessionRunner(supervisors, dependencies, progress, inbox)
    requests = SessionRequests(supervisors, dependencies, runner, "simulator", DELETE_WITHIN_S)
    await runner.load(await dependencies.database.read(registry.load_sessions))
    return SessionDirectory(supervisors, dependencies.database, progress), requests, inbox, runner


async def _end_all(world: World) -> None:
    for session in world.sessions.list_sessions():
        with suppress(SessionNotFoundError, DrainingError):
            await world.requests.delete(session.session_id, keep_data=True, log_out=False)
    await until(lambda: not world.sessions.list_sessions())  # one that drains answers before they are gone
