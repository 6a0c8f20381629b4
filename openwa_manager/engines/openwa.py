"""The recipe `openwa`: how OpenWA is launched, proven ours, started and asked (docs/openwa.md, Starting and ending)."""

import asyncio
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Self

from openwa_manager.domain.builds.builds import HOME_BUILD
from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.foreign_path import ForeignPath, of_session
from openwa_manager.domain.isolation import Isolation, Needs
from openwa_manager.domain.ports import Capabilities, Clock, Instant, LaunchPlan, Report
from openwa_manager.domain.session.session import DataState, Launch, LaunchId, ProcessState, Session, SessionId
from openwa_manager.domain.session.stimuli import EngineReady, LinkReport, Observation, QrProduced
from openwa_manager.domain.values import dataclass
from openwa_manager.engines import mapping, proxy, versions
from openwa_manager.engines.builds import browsers
from openwa_manager.engines.credentials import CredentialKeeper
from openwa_manager.engines.environment import EngineContext, temporary_env
from openwa_manager.engines.http import inner_sessions
from openwa_manager.engines.http.calls import NotOurEngineError
from openwa_manager.engines.http.client import EngineClient
from openwa_manager.engines.http.forwarding import Forwarder
from openwa_manager.engines.http.messaging import MessagingClient
from openwa_manager.engines.http.messenger import Messenger
from openwa_manager.engines.posting import kept_changes, missed_posts
from openwa_manager.engines.posting.webhooks import set_up_webhooks
from openwa_manager.engines.program import LOOPBACK_SHIM, NodeProgram, Program, ProgramValues, runs_openwa
from openwa_manager.engines.recipe import EngineValues, Recipe
from openwa_manager.engines.variables import OPENWA_OF_SESSIONS, is_any_of
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.host.foreign.opening import identity_of, plain_status_of
from openwa_manager.host.foreign.wholeness import is_cut

#: The first tries come quickly: a simulator is up after 0.1 s, OpenWA after 2 s.
_EAGER_S, _EAGER_PAUSE_S, _PAUSE_S = 1.0, 0.04, 0.2
#: baileys answers `start` within a second; whatsapp-web.js blocks for up to 60 s, which we do not wait out.
_START_PATIENCE_S = 2.0
_UNLIMITED = "1000000"
_CHROMIUM = "whatsapp-web.js"

#: What the recipe sets beside the values of one launch; the data paths are OpenWA's own defaults, pinned so that
#: neither a session's `env` nor a later version of OpenWA can lead it out of its directory.
_FIXED_ENV: Mapping[str, str] = {
    "NODE_ENV": "production",
    "VALIDATION_ERROR_DETAIL": "true",
    "RATE_LIMIT_SHORT_LIMIT": _UNLIMITED,
    "RATE_LIMIT_MEDIUM_LIMIT": _UNLIMITED,
    "RATE_LIMIT_LONG_LIMIT": _UNLIMITED,
    "SHUTDOWN_DELAY_MS": "0",
    "SERVE_DASHBOARD": "false",
    "AUTO_START_SESSIONS": "false",
    "WEBHOOK_FAILURE_PAYLOAD_RETENTION_HOURS": "24",
    "DATABASE_NAME": "./data/openwa.sqlite",
    "MAIN_DATABASE_NAME": "./data/main.sqlite",
    "SESSION_DATA_PATH": "./data/sessions",
    "BAILEYS_AUTH_DIR": "./data/baileys",
    "STORAGE_LOCAL_PATH": "./data/media",
    "PLUGINS_DIR": "./data/plugins",
    "PLUGIN_STATE_DIR": "./data",
    "BOOTSTRAP_KEY_FILE": "./data/.api-key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenwaSetup:
    """What one daemon's OpenWA engines have in common.

    `databases` are files in `data/`. `answer_timeout_s` bounds each ordinary call of ours, `send_timeout_s` one that
    sends a message, `forward_silence_s` the silence on one that is handed on. `isolation` is the one they have unless
    another is asked for. `session_env` names the variables that a session may set. `program_in` returns what
    runs a build that we installed, by its name (None: there are none).
    """

    program: Program
    engine_context: EngineContext
    engine_type: str = "baileys"
    isolation: Isolation = Isolation.KERNEL
    databases: Sequence[str] = ("main.sqlite", "openwa.sqlite")
    answer_timeout_s: float = 5.0
    send_timeout_s: float = 60.0
    forward_silence_s: float = 60.0
    session_env: tuple[str, ...] = OPENWA_OF_SESSIONS
    program_in: Callable[[str], Program] | None = None

    def program_of(self, build: str | None) -> Program:
        """Return what engines run of a build; `program` is the one of the setting `openwa_home`."""
        if self.program_in is None or build is None or build == HOME_BUILD:
            return self.program
        return self.program_in(build)

    @classmethod
    def of(cls, values: EngineValues, program: Program) -> Self:
        """Return the setup for engines that run this program."""
        return cls(
            program=program,
            engine_context=values.context,
            engine_type=values.engine_type,
            isolation=_isolation(values.engine_type),
            answer_timeout_s=values.answer_timeout_s,
            send_timeout_s=values.send_timeout_s,
        )


@dataclasses.dataclass(slots=True, kw_only=True)
class _Clients:
    """Our connections to one launch, and the code it showed last, with the time at which that was first seen (boot)."""

    launch_id: LaunchId
    engine: EngineClient
    messaging: MessagingClient
    forwarder: Forwarder
    shown_sha256: str = ""
    shown_boot_s: float = 0.0
    telling: asyncio.Lock = dataclasses.field(default_factory=asyncio.Lock)

    async def close(self) -> None:
        await self.engine.close()
        await self.messaging.close()
        await self.forwarder.close()

    def note_code(self, image: bytes, now: Instant) -> QrProduced:
        """Return the code with the time it was first seen, told by the wall clock as it is set now."""
        seen = mapping.qr_observation(image, self.launch_id, now.at)
        if seen.sha256 != self.shown_sha256:
            self.shown_sha256, self.shown_boot_s = seen.sha256, now.boot_s
        return dataclasses.replace(seen, produced_at=now.at - (now.boot_s - self.shown_boot_s))


class OpenwaEngine(CredentialKeeper, Messenger):
    """Implements `domain.ports.Engine` for OpenWA; an async context that closes its connections when it is left."""

    capabilities = Capabilities(answers_probes=True, reports_link=True, writes_qr_file=False, listens_on_socket=True)

    def __init__(self, setup: OpenwaSetup, clock: Clock, files: EngineFiles) -> None:
        super().__init__(files)
        self._setup = setup
        self.context = setup.engine_context
        self.accepts_env: Callable[[str], bool] = partial(is_any_of, patterns=setup.session_env)
        self._clock = clock
        self._clients: dict[SessionId, _Clients] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._clients:
            _, clients = self._clients.popitem()
            await clients.close()

    async def require_program(self, build: str | None) -> None:
        """Return if node and the OpenWA build are there.

        Raises:
            ProgramMissingError: one is missing or too old; the message says what to do.
        """
        await self._setup.program_of(build).argv()

    async def plan(self, session: Session, launch: Launch, directory: Path) -> LaunchPlan:
        """Return how to start this launch; hands a changed proxy on.

        Raises:
            LaunchFailedError: node or the OpenWA build is missing or too old; the message says what to do.
        """
        context = self.context
        log_path = context.log_path(session.session_id, directory)
        program = self._setup.program_of(launch.build)
        argv = await program.argv()
        name = mapping.inner_name(session.session_id)
        change_proxy = partial(proxy.change_proxy, of_session(directory), name, session.spec.proxy_url)
        await self._files.run(session.session_id, change_proxy)
        delay_ms = versions.webhook_delay_ms((await program.build()).version)
        browser = await program.browser() if self._setup.engine_type == _CHROMIUM else None
        recipe = {
            **self._recipe_env(session, launch, directory),
            **browsers.env_of(browser, context.environ),
            "WEBHOOK_RETRY_DELAY": str(delay_ms),
        }
        env = context.env(session, launch, recipe, self.accepts_env)
        return LaunchPlan(
            session_id=session.session_id,
            launch_id=launch.launch_id,
            argv=argv,
            env=env,
            cwd=directory,
            log_path=log_path,
            socket=launch.socket,
            confinement=context.confinement(session, launch, directory, env, self._needs(program, argv, env, browser)),
        )

    def _needs(self, program: Program, argv: tuple[str, ...], env: Mapping[str, str], own: Path | None) -> Needs:
        started = browsers.programs_of(env, own) if self._setup.engine_type == _CHROMIUM else ()
        return Needs(default=self._setup.isolation, programs=(Path(argv[0]), *started), readable=program.readable())

    def _recipe_env(self, session: Session, launch: Launch, directory: Path) -> dict[str, str]:
        return {
            **_FIXED_ENV,
            **temporary_env(directory / "tmp", is_browsers=self._setup.engine_type == _CHROMIUM),
            "PORT": str(launch.port),
            "API_MASTER_KEY": session.engine_key,
            "ENGINE_TYPE": self._setup.engine_type,
            "SSRF_ALLOWED_HOSTS": self.context.intake_host(launch),
        }

    async def bring_up(self, session: Session, launch: Launch, report: Report) -> None:
        """Wait until OpenWA answers and is proven ours, start its session, then report it ready and its link.

        Every step finds what an earlier try left, so this also renews the webhook of an adopted engine.

        Raises:
            EngineError: it is a stranger, refused, or answered wrongly; the caller's boot deadline bounds the wait.
        """
        clients = await self._clients_of(session, launch)
        client = clients.engine
        await self._until_ready(client)
        row = await inner_sessions.find_or_create(client, session)
        async with clients.telling:
            await set_up_webhooks(client, row.id, session, launch, self.context)
        async with asyncio.TaskGroup() as tasks:
            starting = tasks.create_task(inner_sessions.start(client, row))
            await asyncio.wait({starting}, timeout=_START_PATIENCE_S)
            is_slow = not starting.done()
            if is_slow:
                report(EngineReady(launch_id=launch.launch_id, inner_id=row.id))
        refusal = starting.result()
        if refusal is not None:
            raise refusal
        if not is_slow:
            report(EngineReady(launch_id=launch.launch_id, inner_id=row.id))
        for observation in await self._read_link(clients, row.id):
            report(observation)
        if session.process is ProcessState.RUNNING:
            lost = await missed_posts.recover(client, session, launch, row.id)
            if lost is not None:
                report(lost)

    async def takes_key(self, session: Session, launch: Launch) -> bool:
        """Tell whether the engine of this launch takes the session's key, or says nothing yet."""
        proof = self.context.proof
        client = EngineClient(launch, session.engine_key, self._setup.answer_timeout_s, proof)
        try:
            await client.sessions()
        except EngineError as error:
            return not isinstance(error, NotOurEngineError)
        finally:
            await client.close()
        return True

    async def observe(self, session: Session, launch: Launch) -> Sequence[Observation]:
        """Return OpenWA's own record of the link, and the code it shows if it shows one.

        Raises:
            EngineError: it did not answer, or wrongly.
        """
        clients = await self._clients_of(session, launch)
        return await self._read_link(clients, await inner_sessions.inner_id(clients.engine, session))

    def read_event(
        self, session: Session, launch: Launch, event: str, data: Mapping[str, Json]
    ) -> Sequence[Observation]:
        """Return what an event posted by OpenWA means; most events about the link only hint (`LinkCheckRequested`)."""
        del session
        return mapping.observations_of(event, data, launch.launch_id)

    async def request_pairing_code(self, session: Session, launch: Launch, phone_number: str) -> str:
        """Ask for a code to type into the phone with this number (digits only).

        Raises:
            EngineError: it is too early or too late for one, or OpenWA refused.
        """
        client = (await self._clients_of(session, launch)).engine
        return await client.pairing_code(await inner_sessions.inner_id(client, session), phone_number)

    async def log_out(self, session: Session, launch: Launch) -> None:
        """Unlink the device and wipe its credentials.

        Raises:
            EngineUnableError: OpenWA is older than 0.12.
            EngineError: it refused.
        """
        client = (await self._clients_of(session, launch)).engine
        await client.log_out(await inner_sessions.inner_id(client, session))

    async def forwarder(self, session: Session, launch: Launch) -> Forwarder:
        """Return what hands callers' own requests to this launch, until the launch is released."""
        return (await self._clients_of(session, launch)).forwarder

    async def inspect_data(self, session: Session, directory: Path) -> DataState:
        """Return which `data/` and which databases are in the session's directory now."""
        data, is_live = of_session(directory).child("data"), session.pid is not None
        look = partial(_data_state, data, self._setup.databases, is_live=is_live)
        return await self._files.run(session.session_id, look)

    async def release(self, session: Session, launch: Launch) -> None:
        """Close our connections to this launch.

        OpenWA would wait for a hung call before it ends (docs/openwa.md, Signals and exits).
        """
        clients = self._clients.get(session.session_id)
        if clients is not None and clients.launch_id == launch.launch_id:
            del self._clients[session.session_id]
            await clients.close()

    async def _clients_of(self, session: Session, launch: Launch) -> _Clients:
        old = self._clients.get(session.session_id)
        if old is not None and old.launch_id == launch.launch_id:
            return old
        setup, proof, key = self._setup, self.context.proof, session.engine_key
        clients = self._clients[session.session_id] = _Clients(
            launch_id=launch.launch_id,
            engine=EngineClient(launch, key, setup.answer_timeout_s, proof),
            messaging=MessagingClient(launch, key, setup.answer_timeout_s, proof, send_timeout_s=setup.send_timeout_s),
            forwarder=Forwarder(launch, key, setup.forward_silence_s, proof),
        )
        if old is not None:
            await old.close()
        return clients

    async def _lines_of(self, session: Session, launch: Launch) -> tuple[EngineClient, MessagingClient]:
        clients = await self._clients_of(session, launch)
        return clients.engine, clients.messaging

    async def _until_ready(self, client: EngineClient) -> None:
        began_s = self._clock.now().boot_s
        while not await client.is_ready():
            now_s = self._clock.now().boot_s
            await self._clock.sleep_until(now_s + (_EAGER_PAUSE_S if now_s - began_s < _EAGER_S else _PAUSE_S))

    async def tell_changes(self, session: Session, launch: Launch) -> None:
        """Tell this launch what callers changed while no engine ran.

        Raises:
            EngineError: it does not answer.
        """
        clients = await self._clients_of(session, launch)
        async with clients.telling:  # two at once would make each webhook twice
            inner_id = await inner_sessions.inner_id(clients.engine, session)
            theirs = await kept_changes.theirs_at(clients.engine, inner_id, session.session_id)
            await kept_changes.tell(clients.engine, inner_id, session, launch, self.context, theirs)

    async def _read_link(self, clients: _Clients, inner_id: str) -> Sequence[Observation]:
        report = mapping.report_of(await clients.engine.session(inner_id), clients.launch_id)
        if report.link is not LinkReport.QR_READY:
            return (report,)
        image = await _shown_image(clients.engine, inner_id)
        return (report,) if image is None else (report, clients.note_code(image, self._clock.now()))


async def _shown_image(client: EngineClient, inner_id: str) -> bytes | None:
    shown = await client.qr(inner_id)
    return mapping.image_of(shown.code) if shown is not None and shown.status == "qr_ready" else None


def _data_state(data: ForeignPath, names: Sequence[str], *, is_live: bool) -> DataState:
    there = [name for name in names if plain_status_of(data.child(name)) is not None]
    found = {name: identity_of(data.child(name)) for name in names}
    whole = {name: file for name, file in found.items() if file and not is_cut(data.child(name), is_live=is_live)}
    return DataState(
        directory=identity_of(data), databases=whole, damaged=tuple(name for name in there if name not in whole)
    )


def _build(values: EngineValues) -> OpenwaEngine:
    own = values.programs
    installed = cache(partial(_installed_program, own))  # each remembers what it asked its node
    setup = dataclasses.replace(OpenwaSetup.of(values, _program(own)), program_in=installed)
    return OpenwaEngine(setup, values.clock, values.files)


def _installed_program(values: ProgramValues, build: str) -> NodeProgram:
    return _program(values.of_build(build))


def _program(values: ProgramValues) -> NodeProgram:
    return NodeProgram(values.node, values.openwa_home, values.environ)


def _recognizes(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    del environment
    return runs_openwa(arguments)


def _isolation(engine_type: str) -> Isolation:
    """Return the default: a browser starts programs of its own, so that where there is one it must be asked for."""
    return Isolation.NONE if engine_type == _CHROMIUM else Isolation.KERNEL


def _scripts(openwa_home: Path, command_argv: Sequence[str]) -> tuple[str, ...]:
    del command_argv
    mains = {home / "dist" / "main" for home in (openwa_home, openwa_home.resolve())}
    return (*(f"{main}{ending}" for main in mains for ending in ("", ".js")), str(LOOPBACK_SHIM))


RECIPE = Recipe(build=_build, program=_program, recognizes=_recognizes, isolation=_isolation, scripts=_scripts)
