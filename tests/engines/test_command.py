import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.errors import EngineError, LaunchFailedError, ProgramMissingError
from openwa_manager.domain.ports import CanLogOut, CanPair, Engine, KeepsCredentials, ListenerProof
from openwa_manager.domain.session.png import is_whole_png
from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Launch, Spec
from openwa_manager.domain.session.stimuli import (
    ActivitySeen,
    EngineEventReceived,
    EngineReady,
    LinkReport,
    LinkReported,
    MessageAcknowledged,
)
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.http.connectors import connector_to
from tests.engines.rig import SESSION_ID, commanded, free_port, new_context, new_launch, new_session

EXAMPLE = Path(__file__).parents[2] / "examples" / "command-engine" / "engine.py"
CONTEXT = new_context(
    environ={"PATH": "/bin:/usr/bin", "HOME": "/home/me", "EDITOR": "vi", "LC_ALL": "C"},
    engine_env={"MODE": "admin", "LEVEL": "admin"},
)


def engine(*argv: str, env: Mapping[str, str] | None = None) -> CommandEngine:
    return CommandEngine(CommandSetup(argv=argv, engine_context=CONTEXT, env=env or {}, answer_timeout_s=2.0))


async def test_an_engine_is_a_port_of_the_domain() -> None:
    port: Engine = engine("true")

    assert port.capabilities.writes_qr_file


async def test_placeholders_are_filled_and_other_braces_are_the_programs_own(tmp_path: Path) -> None:
    argv = (
        "sh",
        "-c",
        "echo ${x} {session_id}@{port}",
        '{"dir": "{session_dir}"}',
        "{webhook_url}",
        "{webhook_secret}",
    )
    launch = new_launch(28100)

    plan = await engine(*argv, env={"WHERE": "{session_dir}/x"}).plan(new_session(), launch, tmp_path)

    url = f"http://127.0.0.1:2791/hooks/{SESSION_ID}/{launch.launch_id}"
    assert plan.argv[0].endswith("/sh")
    assert list(plan.argv[1:]) == [
        "-c",
        f"echo ${{x}} {SESSION_ID}@28100",
        f'{{"dir": "{tmp_path}"}}',
        url,
        launch.secret,
    ]
    assert plan.env["WHERE"] == f"{tmp_path}/x"


async def test_the_environment_is_the_contract_and_what_admin_and_session_add(tmp_path: Path) -> None:
    launch, directory = new_launch(28100), tmp_path / SESSION_ID
    session = new_session(Spec(engine="command", env={"LEVEL": "session"}))

    plan = await engine("true").plan(session, launch, directory)

    assert plan.env == {
        "PATH": "/bin:/usr/bin",
        "HOME": "/home/me",
        "LC_ALL": "C",
        "SESSION_ID": SESSION_ID,
        "SESSION_DIR": str(directory),
        "PORT": "28100",
        "WEBHOOK_URL": f"http://127.0.0.1:2791/hooks/{SESSION_ID}/{launch.launch_id}",
        "WEBHOOK_SECRET": launch.secret,
        "TMPDIR": str(directory / "tmp"),
        "MODE": "admin",
        "LEVEL": "session",
        LAUNCH_ID_VARIABLE: launch.launch_id,
    }
    assert (plan.cwd, plan.log_path.path) == (directory, directory / "logs" / "engine.log")


async def test_a_sessions_proxy_spares_the_way_back_to_us(tmp_path: Path) -> None:
    session = new_session(Spec(engine="command", proxy_url="http://proxy:3128"))

    plan = await engine("true").plan(session, new_launch(28100), tmp_path)

    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
    assert {plan.env[name] for name in names} == {"http://proxy:3128"}
    assert plan.env["NO_PROXY"] == plan.env["no_proxy"] == "127.0.0.1,localhost,::1"


@pytest.mark.parametrize(
    ("argv", "advice"), [((), "set `command_argv`"), (("no-such-program",), "correct `command_argv`")]
)
async def test_a_program_that_cannot_be_run_is_told_with_advice(
    tmp_path: Path, argv: tuple[str, ...], advice: str
) -> None:
    with pytest.raises(LaunchFailedError, match=advice):
        await engine(*argv).plan(new_session(), new_launch(28100), tmp_path)


async def test_it_runs_as_soon_as_it_was_launched() -> None:
    launch = new_launch(28100)
    reported: list[object] = []

    await engine("true").bring_up(new_session(), launch, reported.append)

    assert reported == [EngineReady(launch_id=launch.launch_id)]


FLAT = {"session_id": "s", "phone_number": "85212345678", "push_name": "Ann", "reason": "why"}


@pytest.mark.parametrize(
    ("event", "link"),
    [
        ("session.authenticating", LinkReport.AUTHENTICATING),
        ("session.connected", LinkReport.CONNECTED),
        ("session.disconnected", LinkReport.DISCONNECTED),
        ("session.banned", LinkReport.BANNED),
        ("session.logged_out", LinkReport.LOGGED_OUT),
    ],
)
def test_an_event_about_the_link_is_a_link_report(event: str, link: LinkReport) -> None:
    launch = new_launch(28100)

    (report,) = engine("true").read_event(new_session(), launch, event, FLAT)

    assert report == LinkReported(
        launch_id=launch.launch_id, link=link, detail="why", phone_number="85212345678", push_name="Ann"
    )


@pytest.mark.parametrize("fate", ["sent", "delivered", "read", "failed"])
def test_the_fate_of_a_message_is_acknowledged(fate: str) -> None:
    launch = new_launch(28100)
    data: Mapping[str, Json] = {"message_id": "3EB0", "to": "852@c.us"}

    (ack,) = engine("true").read_event(new_session(), launch, f"message.{fate}", data)

    assert ack == MessageAcknowledged(launch_id=launch.launch_id, message_id="3EB0", fate=fate, to="852@c.us")
    assert engine("true").read_event(new_session(), launch, f"message.{fate}", {}) == ()


def test_what_is_not_ours_is_handed_on_and_what_is_nobodys_is_not() -> None:
    launch = new_launch(28100)

    received = engine("true").read_event(new_session(), launch, "message.received", {"body": "hi"})

    assert received == (EngineEventReceived(launch_id=launch.launch_id, type="message.received", data={"body": "hi"}),)
    assert engine("true").read_event(new_session(), launch, "session.heartbeat", {}) == ()
    assert engine("true").read_event(new_session(), launch, "unheard.of", {}) == ()


@asynccontextmanager
async def health(port: int, status: int) -> AsyncIterator[None]:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/health", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def test_an_engine_that_never_answered_need_not() -> None:
    assert await engine("true").observe(new_session(), new_launch(free_port())) == ()


async def test_where_nobody_listens_no_request_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, launch, connected_to = engine("true"), new_launch(free_port()), list[Launch]()

    def counted(to: Launch, proof: ListenerProof) -> aiohttp.BaseConnector:
        connected_to.append(to)
        return connector_to(to, proof)

    monkeypatch.setattr("openwa_manager.engines.command.connector_to", counted)
    await asked.observe(new_session(), launch)
    assert connected_to == []

    async with health(launch.port, 200):
        await asked.observe(new_session(), launch)
    assert connected_to == [launch]


async def test_an_engine_that_answers_lives_and_must_go_on_answering() -> None:
    asked, session, launch = engine("true"), new_session(), new_launch(free_port())

    async with health(launch.port, 200):
        assert await asked.observe(session, launch) == (ActivitySeen(launch_id=launch.launch_id),)

    with pytest.raises(EngineError, match="did not answer GET /health"):
        await asked.observe(session, launch)
    assert await asked.observe(session, replace(new_launch(launch.port))) == ()


async def test_a_released_launch_is_forgotten_to_have_answered() -> None:
    asked, session, launch = engine("true"), new_session(), new_launch(free_port())
    async with health(launch.port, 200):
        await asked.observe(session, launch)

    await asked.release(session, launch)

    assert await asked.observe(session, launch) == ()


async def test_an_engine_that_says_it_is_not_well_is_believed() -> None:
    launch = new_launch(free_port())

    async with health(launch.port, 503):
        with pytest.raises(EngineError, match="503"):
            await engine("true").observe(new_session(), launch)


async def test_a_server_without_a_health_page_proves_nothing() -> None:
    launch = new_launch(free_port())

    async with health(launch.port, 404):
        assert await engine("true").observe(new_session(), launch) == ()


async def test_an_engine_that_accepts_and_never_answers_is_given_up_on() -> None:
    asked = CommandEngine(CommandSetup(argv=("true",), engine_context=CONTEXT, answer_timeout_s=0.05))
    launch = new_launch(free_port())

    with socket.create_server(("127.0.0.1", launch.port)):  # the kernel accepts, nobody answers
        assert await asked.observe(new_session(), launch) == ()


def test_it_gives_no_pairing_codes_cannot_log_out_and_keeps_no_credentials() -> None:
    port: Engine = engine("true")

    assert not isinstance(port, CanPair | CanLogOut | KeepsCredentials)


async def test_the_example_shows_a_code_connects_and_ends_when_asked(tmp_path: Path) -> None:
    directory = tmp_path / SESSION_ID
    async with commanded((sys.executable, str(EXAMPLE)), directory, SCAN_AFTER_S="0.1") as rig:
        await rig.spawn()
        await rig.bring_up()
        connected = await rig.link(LinkReport.CONNECTED)
        assert rig.process is not None
        rig.process.terminate()

        assert await rig.process.wait() == -signal.SIGTERM

    assert connected.phone_number == "85212345678"
    assert is_whole_png((directory / "qr.png").read_bytes())
    assert "posting session.connected" in (directory / "logs" / "engine.log").read_text()


async def test_a_program_that_was_found_ahead_is_not_looked_for_again_and_counts_once(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    looking = engine(str(program))

    await looking.find_program_ahead()
    program.unlink()

    plan = await looking.plan(new_session(), new_launch(28100), tmp_path)
    assert plan.argv[0] == str(program)
    with pytest.raises(ProgramMissingError):
        await looking.plan(new_session(), new_launch(28100), tmp_path)
    await looking.find_program_ahead()  # the launch says that it is missing
