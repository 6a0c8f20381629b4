"""The recipe `command`: any program that writes `qr.png` and posts a few signed events."""

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path

import aiohttp

from openwa_manager.domain.delivery.events import Json, is_passed_through
from openwa_manager.domain.errors import EngineError, EngineTimeoutError, ProgramMissingError
from openwa_manager.domain.isolation import Isolation, Needs
from openwa_manager.domain.ports import Capabilities, LaunchPlan, Report
from openwa_manager.domain.session.session import Launch, LaunchId, Session, SessionId
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    EngineEventReceived,
    EngineReady,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
    Observation,
)
from openwa_manager.domain.values import dataclass
from openwa_manager.engines.environment import EngineContext, temporary_env
from openwa_manager.engines.http.connectors import base_url, connector_to
from openwa_manager.engines.mapping import Data, text_of
from openwa_manager.engines.program import ProgramValues
from openwa_manager.engines.recipe import EngineValues, Recipe
from openwa_manager.engines.variables import LOADS_CODE, is_any_of, is_name
from openwa_manager.engines.versions import DeclaredBuild

#: What the recipe sets itself; the names of `command_env` come on top.
ENV_NAMES = frozenset(
    {"SESSION_ID", "SESSION_DIR", "PORT", "WEBHOOK_URL", "WEBHOOK_SECRET", "TMPDIR", "MAC_CHROMIUM_TMPDIR"}
)
#: For so long a program that was found counts as being there, once.
_FOUND_VALID_S = 0.5
_PROXY_NAMES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSetup:
    """How the admin's program is started: templates in which `{session_id}` and its four siblings are replaced."""

    argv: Sequence[str]
    engine_context: EngineContext
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    answer_timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class CommandProgram:
    """The admin's program with the templates of its arguments."""

    templates: Sequence[str]
    environ: Mapping[str, str] = field(repr=False)

    async def argv(self) -> tuple[str, ...]:
        """Return the program where it was found, and the templates.

        Raises:
            ProgramMissingError: none is set, or it cannot be executed.
        """
        return (await asyncio.to_thread(_found_in, self.templates, self.environ), *self.templates[1:])

    async def build(self) -> DeclaredBuild:
        """Return nothing of use: it is no build of OpenWA."""
        return DeclaredBuild()

    def readable(self) -> tuple[Path, ...]:
        """Return nothing: only the admin knows what it reads."""
        return ()

    async def browser(self) -> Path | None:
        """Return nothing: it is no build of OpenWA."""
        return None


def _found_in(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    if not argv:
        raise ProgramMissingError("the engine `command` needs a program: set `command_argv`")
    program = shutil.which(argv[0], path=environ.get("PATH"))
    if program is None:
        raise ProgramMissingError(f"{argv[0]} cannot be executed: correct `command_argv`")
    return str(Path(program).absolute())


class CommandEngine:
    """Implements `domain.ports.Engine` for a program of one's own; it needs no HTTP server."""

    capabilities = Capabilities(
        answers_probes=False,
        reports_link=False,
        writes_qr_file=True,
        listens_on_socket=False,
        is_ready_at_once=True,
    )

    def __init__(self, setup: CommandSetup) -> None:
        self._setup = setup
        self._own_names = ENV_NAMES.union(setup.env)
        self._answered: dict[SessionId, LaunchId] = {}
        self._found_ahead: tuple[float, str] | None = None

    async def require_program(self, build: str | None) -> None:
        """Return if the program is there.

        Raises:
            ProgramMissingError: none is set, or it cannot be executed.
        """
        del build
        await asyncio.to_thread(self._program)

    async def find_program_ahead(self) -> None:
        """Look for the program now; the next launch need not, if it follows soon."""
        began_s = asyncio.get_running_loop().time()
        with suppress(ProgramMissingError):  # the launch says so
            self._found_ahead = began_s, await asyncio.to_thread(self._program)

    def accepts_env(self, name: str) -> bool:
        """Tell whether a session may set this variable: neither is it ours or the admin's, nor does it load code."""
        return is_name(name) and name not in self._own_names and not is_any_of(name, LOADS_CODE)

    async def plan(self, session: Session, launch: Launch, directory: Path) -> LaunchPlan:
        """Return how to start this launch.

        Raises:
            ProgramMissingError: no program is set, or it cannot be executed.
        """
        context = self._setup.engine_context
        facts = {
            "session_id": session.session_id,
            "session_dir": str(directory),
            "port": str(launch.port),
            "webhook_url": context.webhook_url(session.session_id, launch),
            "webhook_secret": launch.secret,
        }
        recipe = {name.upper(): value for name, value in facts.items()} | temporary_env(directory / "tmp")
        if session.spec.proxy_url is not None:
            recipe |= dict.fromkeys(_PROXY_NAMES, session.spec.proxy_url)
        recipe |= {name: _filled(template, facts) for name, template in self._setup.env.items()}
        log_path = context.log_path(session.session_id, directory)
        program = await self._find_program()
        argv = (program, *(_filled(argument, facts) for argument in self._setup.argv[1:]))
        env = context.env(session, launch, recipe, self.accepts_env)
        return LaunchPlan(
            session_id=session.session_id,
            launch_id=launch.launch_id,
            argv=argv,
            env=env,
            cwd=directory,
            log_path=log_path,
            confinement=context.confinement(session, launch, directory, env, self._needs(program)),
        )

    def _needs(self, program: str) -> Needs:
        """Return what the program needs as far as its command tells; what else it needs, only the admin knows."""
        named = [Path(word) for word in self._setup.argv if word.startswith("/")]
        return Needs(default=_isolation(""), programs=(Path(program),), readable=tuple(named))

    async def _find_program(self) -> str:
        found, self._found_ahead = self._found_ahead, None
        if found is not None and asyncio.get_running_loop().time() - found[0] <= _FOUND_VALID_S:
            return found[1]
        return await asyncio.to_thread(self._program)

    def _program(self) -> str:
        return _found_in(self._setup.argv, self._setup.engine_context.environ)

    async def bring_up(self, session: Session, launch: Launch, report: Report) -> None:
        """Report the engine ready: it runs as soon as it was launched."""
        del session
        report(EngineReady(launch_id=launch.launch_id))

    async def observe(self, session: Session, launch: Launch) -> Sequence[Observation]:
        """Return a sign of life if the engine answers `GET /health`; nothing if it never did in this launch.

        Raises:
            EngineError: it has answered before and does not now, or says it is not well.
        """
        has_answered = self._answered.get(session.session_id) == launch.launch_id
        if not has_answered and not await self._may_answer(launch):
            return ()
        try:
            status = await self._health(launch)
        except EngineError:
            if has_answered:
                raise
            return ()
        if status == 404:  # a server without that page
            return ()
        self._answered[session.session_id] = launch.launch_id
        if status >= 400:
            raise EngineError(f"the engine answered GET /health with {status}")
        return (ActivitySeen(launch_id=launch.launch_id),)

    async def _may_answer(self, launch: Launch) -> bool:
        """Tell whether anybody listens: most programs need no HTTP server, and a request that fails takes 2 ms."""
        proof, engine = self._setup.engine_context.proof, launch.identity
        return engine is not None and await proof.owns(launch.port, engine) is not None

    async def _health(self, launch: Launch) -> int:
        connector = connector_to(launch, self._setup.engine_context.proof)
        try:
            async with (
                asyncio.timeout(self._setup.answer_timeout_s),
                aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.get(f"{base_url(launch)}/health", allow_redirects=False) as answer,
            ):
                return answer.status  # what else it says is not read
        except TimeoutError as error:
            limit_s = self._setup.answer_timeout_s
            raise EngineTimeoutError(f"the engine did not answer GET /health within {limit_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(f"the engine did not answer GET /health: {error}") from error

    def read_event(
        self, session: Session, launch: Launch, event: str, data: Mapping[str, Json]
    ) -> Sequence[Observation]:
        """Return what an event posted by the engine means; a heartbeat means no more than any other post."""
        del session
        read = _EVENTS.get(event)
        if read is not None:
            return read(data, launch.launch_id)
        if is_passed_through(event):
            return (EngineEventReceived(launch_id=launch.launch_id, type=event, data=data),)
        return ()

    async def release(self, session: Session, launch: Launch) -> None:
        """Forget whether this launch answered; no connection outlives its call."""
        if self._answered.get(session.session_id) == launch.launch_id:
            del self._answered[session.session_id]


def _filled(template: str, facts: Mapping[str, str]) -> str:
    """Replace our placeholders only: other braces, as in JSON or a shell's ${x}, stay as they are."""
    for name, value in facts.items():
        template = template.replace(f"{{{name}}}", value)
    return template


_Reader = Callable[[Data, LaunchId], Sequence[Observation]]


def _link(link: LinkReport) -> _Reader:
    def read(data: Data, launch_id: LaunchId) -> Sequence[Observation]:
        report = LinkReported(
            launch_id=launch_id,
            link=link,
            detail=text_of(data, "reason") or "",
            phone_number=text_of(data, "phone_number"),
            push_name=text_of(data, "push_name"),
        )
        return (report,)

    return read


def _message(fate: str) -> _Reader:
    def read(data: Data, launch_id: LaunchId) -> Sequence[Observation]:
        message_id = text_of(data, "message_id")
        if message_id is None:
            return ()
        return (MessageAcknowledged(launch_id=launch_id, message_id=message_id, fate=fate, to=text_of(data, "to")),)

    return read


_EVENTS: Mapping[str, _Reader] = {
    "session.authenticating": _link(LinkReport.AUTHENTICATING),
    "session.connected": _link(LinkReport.CONNECTED),
    "session.disconnected": _link(LinkReport.DISCONNECTED),
    "session.banned": _link(LinkReport.BANNED),
    "session.logged_out": _link(LinkReport.LOGGED_OUT),
    **{f"message.{fate}": _message(fate) for fate in ("sent", "delivered", "read", "failed")},
}


def _build(values: EngineValues) -> CommandEngine:
    setup = CommandSetup(
        argv=values.command_argv,
        engine_context=values.context,
        env=values.command_env,
        answer_timeout_s=values.answer_timeout_s,
    )
    return CommandEngine(setup)


def _program(values: ProgramValues) -> CommandProgram:
    return CommandProgram(values.command_argv, values.environ)


def _recognizes(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    del arguments
    return environment.keys() >= {"SESSION_ID", "SESSION_DIR", "WEBHOOK_URL", "WEBHOOK_SECRET"}


def _isolation(engine_type: str) -> Isolation:
    """Return the default: nobody but the admin knows what his program needs."""
    del engine_type
    return Isolation.NONE


def _scripts(openwa_home: Path, command_argv: Sequence[str]) -> tuple[str, ...]:
    """Return the files named after the program: that itself may be an interpreter which others run as well."""
    del openwa_home
    return tuple(word for word in command_argv[1:] if word.startswith("/") and Path(word).is_file())


RECIPE = Recipe(build=_build, program=_program, recognizes=_recognizes, isolation=_isolation, scripts=_scripts)
