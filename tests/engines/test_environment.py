import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Launch, SessionId, Spec
from openwa_manager.engines.command import CommandEngine, CommandSetup
from openwa_manager.engines.environment import intake_name
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
from openwa_manager.engines.variables import NEEDED, is_name, refused_of_admin
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from tests.engines.rig import KEY, SESSION_ID, new_context, new_launch, new_session

DAEMON_ENVIRON = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LANG": "C.UTF-8",
    "LC_ALL": "C",
    "TZ": "UTC",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "HTTPS_PROXY": "http://proxy:1",
    "PUPPETEER_ARGS": "--no-sandbox",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "OPENWA_MANAGER_UPSTREAM_SECRET": "secret",
    "NODE_OPTIONS": "--require evil",
    "LD_PRELOAD": "evil.so",
}


def engine(engine_type: str = "baileys", **engine_env: str) -> OpenwaEngine:
    context = new_context(environ=DAEMON_ENVIRON, engine_env=engine_env)
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=context, engine_type=engine_type)
    return OpenwaEngine(setup, SystemClock(), EngineFiles())


async def test_openwa_inherits_what_it_needs_and_no_secret_of_ours(tmp_path: Path) -> None:
    plan = await engine().plan(new_session(), new_launch(28100), tmp_path)

    kept = {name for name in plan.env if name in DAEMON_ENVIRON}
    assert kept == {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "HTTPS_PROXY", "PUPPETEER_ARGS"}


async def test_openwa_is_told_its_port_its_key_and_to_stay_at_home(tmp_path: Path) -> None:
    launch = new_launch(28100)

    plan = await engine("whatsapp-web.js").plan(new_session(), launch, tmp_path)

    assert (plan.env["PORT"], plan.env["API_MASTER_KEY"], plan.env["ENGINE_TYPE"]) == ("28100", KEY, "whatsapp-web.js")
    assert (plan.env["SSRF_ALLOWED_HOSTS"], plan.env["SHUTDOWN_DELAY_MS"]) == ("127.0.0.1", "0")
    assert (plan.env["BAILEYS_AUTH_DIR"], plan.env["SESSION_DATA_PATH"]) == ("./data/baileys", "./data/sessions")
    assert plan.env[LAUNCH_ID_VARIABLE] == launch.launch_id
    assert plan.cwd == tmp_path


async def test_five_tries_of_a_webhook_outlast_a_restart_of_ours(tmp_path: Path) -> None:
    plan = await engine().plan(new_session(), new_launch(28100), tmp_path)

    pauses_ms = [int(plan.env["WEBHOOK_RETRY_DELAY"]) * attempt for attempt in (1, 2, 3, 4)]
    assert sum(pauses_ms) >= 120_000


async def test_the_session_has_the_last_word_after_the_admin_and_the_recipe(tmp_path: Path) -> None:
    session = new_session(Spec(engine="openwa", env={"SIMULATE_TYPING": "session", LAUNCH_ID_VARIABLE: "forged"}))
    launch = new_launch(28100)

    plan = await engine(SIMULATE_TYPING="admin", NODE_ENV="development").plan(session, launch, tmp_path)

    assert plan.env["SIMULATE_TYPING"] == "session"
    assert plan.env["NODE_ENV"] == "development"
    assert plan.env[LAUNCH_ID_VARIABLE] == launch.launch_id


async def test_a_session_of_a_former_version_that_set_more_gets_no_more_than_it_may(tmp_path: Path) -> None:
    session = new_session(Spec(engine="openwa", env={"OPENSSL_CONF": "evil.cnf", "LOG_LEVEL": "debug"}))

    plan = await engine().plan(session, new_launch(28100), tmp_path)

    assert "OPENSSL_CONF" not in plan.env
    assert plan.env["LOG_LEVEL"] == "debug"


async def test_hosts_that_the_admin_allows_stand_beside_ours(tmp_path: Path) -> None:
    alone = await engine().plan(new_session(), new_launch(28100), tmp_path)
    both = await engine(SSRF_ALLOWED_HOSTS="media.example.com").plan(new_session(), new_launch(28100), tmp_path)

    assert both.env["SSRF_ALLOWED_HOSTS"] == f"{alone.env['SSRF_ALLOWED_HOSTS']},media.example.com"


async def test_temporary_files_of_engine_and_browser_stay_in_the_session() -> None:
    directory = Path("/opt/openwa/sessions/user_1")

    for engine_type in ("baileys", "whatsapp-web.js"):
        plan = await engine(engine_type).plan(new_session(), new_launch(28100), directory)

        assert plan.env["TMPDIR"] == plan.env["MAC_CHROMIUM_TMPDIR"] == "/opt/openwa/sessions/user_1/tmp"


@pytest.mark.parametrize(("length", "fits"), [(46, True), (47, False)])
async def test_they_do_unless_chromiums_socket_would_not_fit(length: int, fits: bool) -> None:
    directory = Path("/" + "d" * (length - len("//tmp")))

    baileys = await engine("baileys").plan(new_session(), new_launch(28100), directory)
    chromium = await engine("whatsapp-web.js").plan(new_session(), new_launch(28100), directory)

    tmp, names = str(directory / "tmp"), ("TMPDIR", "MAC_CHROMIUM_TMPDIR")
    assert len(tmp) == length
    assert [baileys.env.get(name) for name in names] == [tmp, tmp if fits else None]
    assert [chromium.env.get(name) for name in names] == ([tmp, tmp] if fits else [None, None])


async def test_logs_may_live_elsewhere(tmp_path: Path) -> None:
    context = replace(new_context(environ={}), logs_root=tmp_path / "logs")
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=context)

    engine = OpenwaEngine(setup, SystemClock(), EngineFiles())

    plan = await engine.plan(new_session(), new_launch(28100), tmp_path / "s")

    assert plan.log_path.path == tmp_path / "logs" / f"{SESSION_ID}.log"


def test_each_launch_posts_to_an_address_of_its_own() -> None:
    context = new_context(environ={})

    url = context.webhook_url(SessionId("alice"), launch := new_launch(1))

    assert url == f"http://127.0.0.1:2791/hooks/alice/{launch.launch_id}"


SOCKET = Path("/run/s")


async def test_an_engine_behind_our_shim_may_post_to_one_name_and_not_to_loopback(tmp_path: Path) -> None:
    launch = new_launch(28100, socket=SOCKET)

    env = (await engine().plan(new_session(), launch, tmp_path)).env

    name = intake_name(launch)
    assert name is not None
    assert env["SSRF_ALLOWED_HOSTS"] == env["OPENWA_MANAGER_INTAKE_NAME"] == name
    assert env["OPENWA_MANAGER_INTAKE"] == "127.0.0.1 2791"
    assert name in env["NO_PROXY"].split(",")
    context = new_context(environ={})
    assert context.webhook_url(SESSION_ID, launch).startswith(f"http://{name}:2791/hooks/{SESSION_ID}/")
    assert context.relay_url(SESSION_ID, launch, "t").startswith(f"http://{name}:2791/relay/{SESSION_ID}/")


def test_the_name_of_the_intake_is_another_one_for_each_launch_and_tells_no_secret() -> None:
    launches = [new_launch(1, socket=SOCKET) for _ in range(2)]

    names = [str(intake_name(launch)) for launch in launches]

    assert names[0] != names[1]
    assert names[0] == intake_name(launches[0])
    assert re.fullmatch(r"[0-9a-f]{32}\.openwa-intake\.invalid", names[0])
    assert launches[0].secret not in names[0]


@pytest.mark.parametrize("launch", [new_launch(1), new_launch(1, 2)])
def test_what_a_former_version_launched_and_a_command_know_the_address_of_the_intake(launch: Launch) -> None:
    assert intake_name(launch) is None
    assert new_context(environ={}).intake_host(launch) == "127.0.0.1"


@pytest.mark.parametrize(
    ("intake_url", "place"),
    [
        ("http://localhost:2791", "127.0.0.1 2791"),
        ("http://[::1]:2791", "::1 2791"),
        ("http://127.0.0.9", "127.0.0.9 80"),
    ],
)
async def test_the_name_leads_to_where_the_intake_listens(tmp_path: Path, intake_url: str, place: str) -> None:
    context = new_context(intake_url, environ={})
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=context)
    planning = OpenwaEngine(setup, SystemClock(), EngineFiles())

    env = (await planning.plan(new_session(), new_launch(28100, socket=SOCKET), tmp_path)).env

    assert env["OPENWA_MANAGER_INTAKE"] == place


LOADING = (
    "PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NODE_EXTRA_CA_CERTS",
    "OPENSSL_CONF",
    "SSLKEYLOGFILE",
    "SSL_CERT_FILE",
    "HTTPS_PROXY",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "BASH_ENV",
    "JAVA_TOOL_OPTIONS",
    "GIT_SSH_COMMAND",
    "PUPPETEER_EXECUTABLE_PATH",
    "OPENWA_MANAGER_LAUNCH_ID",
    "OPENWA_MANAGER_SOCKET",
)
MISSPELT = ("lower_case", "1ST", "_UNDERSCORE", "WITH-DASH", "WITH SPACE", "TRAILING\n", "Ä", "")
OPENWAS_OWN = ("PORT", "API_MASTER_KEY", "BAILEYS_AUTH_DIR", "TMPDIR", "ENGINE_TYPE", "NODE_ENV", "DATABASE_NAME")


@pytest.mark.parametrize(
    "name", [*LOADING, *MISSPELT, *OPENWAS_OWN, "DATABASE_TYPE", "WEBHOOK_SSRF_PROTECT", "ANYTHING"]
)
def test_a_session_on_openwa_may_not_set(name: str) -> None:
    assert not engine().accepts_env(name)


@pytest.mark.parametrize("name", ["SIMULATE_TYPING", "SEND_PACING_ENABLED", "TZ", "LC_ALL", "BAILEYS_WA_VERSION"])
def test_a_session_on_openwa_may_set(name: str) -> None:
    assert engine().accepts_env(name)


@pytest.mark.parametrize("name", [*LOADING, *MISSPELT, "PORT", "WEBHOOK_SECRET", "SESSION_ID", "TMPDIR", "LEVEL"])
def test_a_session_on_a_command_may_not_set(name: str) -> None:
    assert not CommandEngine(
        CommandSetup(argv=("true",), engine_context=new_context(), env={"LEVEL": "1"})
    ).accepts_env(name)


@pytest.mark.parametrize("name", ["PROGRAM", "MODE", "A", "DATABASE_NAME", "MY_TOKEN"])
def test_a_session_on_a_command_may_set(name: str) -> None:
    assert CommandEngine(CommandSetup(argv=("true",), engine_context=new_context())).accepts_env(name)


@given(name=st.text(max_size=12))
def test_what_a_session_may_set_is_always_a_name(name: str) -> None:
    asked = CommandEngine(CommandSetup(argv=("true",), engine_context=new_context()))

    assert not asked.accepts_env(name) or is_name(name)


@pytest.mark.parametrize("name", ["PORT", "API_MASTER_KEY", "DATABASE_NAME", "WEBHOOK_SECRET", "OPENWA_MANAGER_SOCKET"])
def test_not_even_the_admin_may_set(name: str) -> None:
    assert refused_of_admin([name, "NODE_OPTIONS"]) == (name,)


async def test_whatever_the_admin_may_not_set_is_what_a_recipe_sets(tmp_path: Path) -> None:
    launch = new_launch(28100, socket=tmp_path / "s")
    setup = CommandSetup(argv=("true",), engine_context=new_context())
    plans = [
        await engine().plan(new_session(), launch, tmp_path),
        await CommandEngine(setup).plan(new_session(), launch, tmp_path),
    ]

    exact = {name for name in NEEDED if not name.endswith("*")}
    assert exact <= {name for plan in plans for name in plan.env}


@pytest.mark.parametrize(
    ("environ", "spared"),
    [
        ({"HTTP_PROXY": "http://p:1"}, "127.0.0.1,localhost,::1"),
        ({"https_proxy": "http://p:1", "no_proxy": "a, 127.0.0.1"}, "a,127.0.0.1,localhost,::1"),
        ({"ALL_PROXY": "http://p:1", "NO_PROXY": "a", "no_proxy": "b"}, "a,b,127.0.0.1,localhost,::1"),
    ],
)
def test_behind_a_proxy_an_engine_still_reaches_us(environ: dict[str, str], spared: str) -> None:
    context = new_context(environ=environ)

    env = context.env(new_session(), new_launch(1), {}, str.isupper)

    assert env["NO_PROXY"] == env["no_proxy"] == spared
    assert environ.keys() <= env.keys()


def test_without_a_proxy_nothing_is_said_of_one() -> None:
    env = new_context(environ={"NO_PROXY": "a"}).env(new_session(), new_launch(1), {}, str.isupper)

    assert env["NO_PROXY"] == "a"
    assert "no_proxy" not in env
