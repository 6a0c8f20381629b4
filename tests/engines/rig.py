"""A live engine beside a small intake: real processes, real sockets, and the supervisor's part reduced to listening."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web

from openwa_manager.domain.errors import EngineError
from openwa_manager.domain.ports import Engine
from openwa_manager.domain.session.reasons import ReasonCode
from openwa_manager.domain.session.session import Launch, LaunchId, Session, SessionId, Spec
from openwa_manager.domain.session.stimuli import LinkCheckRequested, LinkReport, LinkReported, Observation, QrProduced
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import EngineContext, intake_name
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram, NodeProgram, Program
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.reading.identity import identity_of
from openwa_manager.processes.reading.listeners import EngineListeners
from tests.fakes.clock import SettableClock
from tests.fakes.ports import free_ports, is_free

SESSION_ID = SessionId("user_1_session_550e8400-e29b-41d4-a716-446655440000")
KEY = "owk_0123456789abcdef0123456789abcdef"
CONTROL_OFFSET = 10_000
SIMULATOR = FixedProgram((sys.executable, "-m", "openwa_manager.simulator"))
QUICK = {"SIM_QR_DELAY_S": "0.05", "SIM_RECONNECT_S": "0.05", "SIMULATE_TYPING": "false", "MOCK_WA_QR_DELAY_MS": "100"}
#: How long a step of a real OpenWA may take on a busy host, in seconds.
SLOW_S = 90.0

Kind = TypeVar("Kind", bound=Observation)


def free_port() -> int:
    """Return a loopback port that is free now, and so is the one CONTROL_OFFSET above it."""
    return next(port for port in iter(lambda: free_ports(1)[0], 0) if is_free(port + CONTROL_OFFSET))


def new_session(spec: Spec | None = None) -> Session:
    return Session(
        session_id=SESSION_ID, spec=spec or Spec(engine="openwa"), engine_key=KEY, created_at=0.0, updated_at=0.0
    )


def new_launch(port: int, number: int = 1, *, socket: Path | None = None) -> Launch:
    """Return a launch whose engine is this very process, until another one is started for it."""
    return Launch(
        launch_id=LaunchId(str(uuid4())),
        number=number,
        port=port,
        secret="s" + uuid4().hex,
        cause=ReasonCode.REQUESTED,
        launched_at=0.0,
        socket=socket,
        identity=identity_of(os.getpid()),
    )


def new_context(
    intake_url: str = "http://127.0.0.1:2791",
    environ: Mapping[str, str] = os.environ,
    engine_env: Mapping[str, str] | None = None,
) -> EngineContext:
    return EngineContext(
        environ=dict(environ), intake_url=intake_url, proof=EngineListeners(), engine_env=engine_env or {}
    )


@dataclass
class Intake:
    """Takes what engines post, checks whose it is, and lets a test wait for what it means."""

    url: str = ""
    posts: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    seen: list[Observation] = field(default_factory=list)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    hear: Callable[[str, bytes, str], Sequence[Observation]] | None = None
    refuses: bool = False

    async def take(self, request: web.Request) -> web.Response:
        if self.refuses:
            return web.Response(status=503)
        body = await request.read()
        self.posts.append((request.path, dict(request.headers)))
        signature = request.headers.get("X-OpenWA-Signature", "")
        for observation in self.hear(request.path, body, signature) if self.hear else ():
            await self.tell(observation)
        return web.Response()

    async def tell(self, observation: Observation) -> None:
        async with self.news:
            self.seen.append(observation)
            self.news.notify_all()

    async def first(self, kind: type[Kind], fits: Callable[[Kind], bool] = lambda _: True) -> Kind:
        """Return the first observation of this kind that fits, waiting for it."""

        def found() -> Kind | None:
            return next((each for each in self.seen if isinstance(each, kind) and fits(each)), None)

        async with asyncio.timeout(SLOW_S), self.news:
            await self.news.wait_for(lambda: found() is not None)
        result = found()
        assert result is not None
        return result


@dataclass
class Rig:
    """One session's engine: its process, its plan, and all that was observed of it in `intake.seen`."""

    engine: Engine
    session: Session
    launch: Launch
    directory: Path
    intake: Intake
    control: str = ""
    process: asyncio.subprocess.Process | None = None
    tasks: asyncio.TaskGroup | None = None
    clock: SettableClock = field(default_factory=SettableClock)

    @property
    def webhook_url(self) -> str:
        """Return where the launch posts, by the name it has for the intake."""
        port = self.intake.url.rpartition(":")[2]
        return f"http://{intake_name(self.launch)}:{port}/hooks/{SESSION_ID}/{self.launch.launch_id}"

    async def code(self) -> QrProduced:
        """Return the code the engine shows now."""
        observations = await self.engine.observe(self.session, self.launch)
        (code,) = [each for each in observations if isinstance(each, QrProduced)]
        return code

    async def spawn(self, *, key: str | None = None) -> None:
        """Start the planned process, under another key if one is given."""
        for folder in ("logs", "tmp"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        plan = await self.engine.plan(self.session, self.launch, self.directory)
        env = dict(plan.env) if key is None else {**plan.env, "API_MASTER_KEY": key}
        with plan.log_path.path.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *plan.argv, env=env, cwd=plan.cwd, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.launch = replace(self.launch, identity=identity_of(self.process.pid))

    async def bring_up(self) -> list[Observation]:
        """Bring the engine up and return what it reported."""
        reported: list[Observation] = []
        async with asyncio.timeout(SLOW_S):
            await self.engine.bring_up(self.session, self.launch, reported.append)
        for observation in reported:
            await self.intake.tell(observation)
        return reported

    async def end(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        await self.engine.release(self.session, self.launch)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            async with asyncio.timeout(5):
                await process.wait()

    async def start_again(self) -> None:
        """End the engine and launch it anew in the same directory; what was seen before is forgotten."""
        await self.end()
        number = self.launch.number + 1
        socket = self.directory.parent / f"s{number}"  # a socket's path must be short
        self.launch = new_launch(free_port(), number, socket=socket)
        self.intake.seen.clear()
        self.intake.posts.clear()
        await self.spawn()
        await self.bring_up()

    async def play(self, verb: str) -> None:
        """Play WhatsApp or the phone: `scan`, `close?code=403` and so on."""
        if self.control:
            async with aiohttp.ClientSession() as phone, phone.post(self._control_url(verb)) as answer:
                assert answer.status == 200, await answer.text()
        else:
            await self.call("POST", f"/_sim/{verb}")

    def _control_url(self, verb: str) -> str:
        return self.control.format(control=self.launch.port + CONTROL_OFFSET) + verb

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> str:
        """Call the engine's own API and return the answer's text."""
        headers = {"X-API-Key": self.session.engine_key}
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.launch.socket))) as http,
            http.request(method, f"http://localhost{path}", json=body, headers=headers) as answer,
        ):
            assert answer.status < 300, (answer.status, await answer.text())
            return await answer.text()

    async def link(self, report: LinkReport) -> LinkReported:
        """Return the first report of this link, waiting for it."""
        return await self.intake.first(LinkReported, lambda each: each.link is report)

    def hear(self, path: str, body: bytes, signature: str) -> list[Observation]:
        """Interpret what the current launch posted and signed; answer hints by asking, as a supervisor does."""
        digest = hmac.new(self.launch.secret.encode(), body, hashlib.sha256).hexdigest()
        if not path.endswith(self.launch.launch_id) or signature != f"sha256={digest}":
            return []
        post = json.loads(body)
        seen = self.engine.read_event(self.session, self.launch, post["event"], post.get("data", post))
        if any(isinstance(each, LinkCheckRequested) for each in seen) and self.tasks is not None:
            self.tasks.create_task(self._ask())
        return list(seen)

    async def _ask(self) -> None:
        with suppress(EngineError):  # the engine may be ending
            for observation in await self.engine.observe(self.session, self.launch):
                await self.intake.tell(observation)


@asynccontextmanager
async def listening() -> AsyncIterator[Intake]:
    """Serve an intake on a free port."""
    intake = Intake()
    app = web.Application()
    app.router.add_post("/hooks/{session_id}/{launch_id}", intake.take)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    intake.url = f"http://127.0.0.1:{port}"
    try:
        yield intake
    finally:
        await runner.cleanup()


def real_program() -> Program | None:
    """Return the OpenWA that OPENWA_HOME names; None when there is none or its WhatsApp (OPENWA_MOCK) is missing."""
    home, mock = os.environ.get("OPENWA_HOME"), os.environ.get("OPENWA_MOCK")
    if not home or not mock:
        return None
    return NodeProgram(os.environ.get("NODE", "node"), Path(home), os.environ)


#: The marks of a test that runs a real OpenWA. Its start takes many seconds on a busy host.
ON_REAL_OPENWA = (
    pytest.mark.openwa,
    pytest.mark.timeout(300),
    pytest.mark.skipif(real_program() is None, reason="OPENWA_HOME and OPENWA_MOCK name no built OpenWA"),
)


def real_env() -> dict[str, str]:
    """Return what puts the fake WhatsApp of OPENWA_MOCK into a real OpenWA."""
    preload = f"--require {os.environ.get('OPENWA_MOCK')}/preload.cjs"
    return {"MOCK_WA": "1", "MOCK_WA_CONTROL_OFFSET": str(CONTROL_OFFSET), "NODE_OPTIONS": preload}


@asynccontextmanager
async def commanded(argv: Sequence[str], directory: Path, **engine_env: str) -> AsyncIterator[Rig]:
    """Give a rig for the engine `command`, not launched yet."""
    async with listening() as intake:
        context = new_context(intake.url, engine_env=engine_env)
        engine = CommandEngine(CommandSetup(argv=argv, engine_context=context, answer_timeout_s=2.0))
        rig = Rig(engine, new_session(Spec(engine="command")), new_launch(free_port()), directory, intake)
        intake.hear = rig.hear
        try:
            yield rig
        finally:
            await rig.end()


@asynccontextmanager
async def rigged(
    kind: str, sessions: Path, *, answer_timeout_s: float = 5.0, env: Mapping[str, str] | None = None
) -> AsyncIterator[Rig]:
    """Give a rig whose engine is not launched yet; its directory is below `sessions`, `kind` is simulator or openwa."""
    program = real_program() if kind == "openwa" else SIMULATOR
    assert program is not None
    engine_env = {**QUICK, **(real_env() if kind == "openwa" else {}), **(env or {})}
    async with listening() as intake:
        context = new_context(intake.url, engine_env=engine_env)
        setup = OpenwaSetup(program=program, engine_context=context, answer_timeout_s=answer_timeout_s)
        async with OpenwaEngine(setup, clock := SettableClock(), EngineFiles()) as engine, asyncio.TaskGroup() as tasks:
            control = "http://127.0.0.1:{control}/_/" if kind == "openwa" else ""
            launch = new_launch(free_port(), socket=sessions / "s1")
            rig = Rig(engine, new_session(), launch, sessions / SESSION_ID, intake, control, tasks=tasks, clock=clock)
            intake.hear = rig.hear
            try:
                yield rig
            finally:
                rig.tasks = None
                await rig.end()


def knowing(session: Session, inner_id: str) -> Session:
    """Return the session with the engine's own name for it, as the supervisor keeps it."""
    return replace(session, inner_id=inner_id)
