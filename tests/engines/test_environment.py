from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, SessionId, Spec
from openwa_manager.engines import command, openwa
from openwa_manager.engines.environment import refused_env_names
from openwa_manager.engines.openwa import OpenwaEngine, OpenwaSetup
from openwa_manager.engines.program import FixedProgram
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


async def test_the_recipe_sets_no_name_that_a_session_could_set(tmp_path: Path) -> None:
    plan = await engine().plan(new_session(), new_launch(28100), tmp_path)

    own = set(plan.env) - set(DAEMON_ENVIRON) - {LAUNCH_ID_VARIABLE, "NO_PROXY", "no_proxy"}
    assert own == openwa.ENV_NAMES
    assert set(refused_env_names(own, openwa.ENV_NAMES)) == own


async def test_temporary_files_stay_in_the_session_unless_chromiums_socket_would_not_fit(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60)

    baileys = await engine("baileys").plan(new_session(), new_launch(28100), deep)
    chromium = await engine("whatsapp-web.js").plan(new_session(), new_launch(28100), deep)

    assert baileys.env["TMPDIR"] == str(deep / "tmp")
    assert "TMPDIR" not in chromium.env


async def test_logs_may_live_elsewhere(tmp_path: Path) -> None:
    context = replace(new_context(environ={}), logs_root=tmp_path / "logs")
    setup = OpenwaSetup(program=FixedProgram(("true",)), engine_context=context)

    engine = OpenwaEngine(setup, SystemClock(), EngineFiles())

    plan = await engine.plan(new_session(), new_launch(28100), tmp_path / "s")

    assert plan.log_path.path == tmp_path / "logs" / f"{SESSION_ID}.log"


def test_each_launch_posts_to_an_address_of_its_own() -> None:
    context = new_context(environ={})

    url = context.webhook_url(SessionId("alice"), new_launch(1).launch_id)

    assert url.startswith("http://127.0.0.1:2791/hooks/alice/")


REFUSED = (
    "PATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PUPPETEER_EXECUTABLE_PATH",
    "OPENWA_MANAGER_LAUNCH_ID",
    "lower_case",
    "1ST",
    "_UNDERSCORE",
    "WITH-DASH",
    "WITH SPACE",
    "TRAILING\n",
    "Ä",
    "",
)


@pytest.mark.parametrize("name", REFUSED)
def test_a_session_may_not_set(name: str) -> None:
    assert refused_env_names([name, "SIM_ACKS"], ()) == (name,)


@pytest.mark.parametrize("name", ["PORT", "API_MASTER_KEY", "BAILEYS_AUTH_DIR", "TMPDIR", "ENGINE_TYPE", "NODE_ENV"])
def test_a_session_may_not_set_what_the_recipe_sets(name: str) -> None:
    assert refused_env_names([name], openwa.ENV_NAMES) == (name,)


@pytest.mark.parametrize("name", ["SIMULATE_TYPING", "SIM_ACKS", "A", "BAILEYS_WA_VERSION", "PUPPETEER_HEADLESS"])
def test_a_session_may_set(name: str) -> None:
    assert refused_env_names([name], openwa.ENV_NAMES | command.ENV_NAMES) == ()


@given(names=st.lists(st.text(max_size=12)))
def test_refused_names_are_some_of_those_asked_for_in_order(names: list[str]) -> None:
    refused = refused_env_names(names, ())

    assert list(refused) == sorted(refused)
    assert set(refused) <= set(names)


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

    env = context.env(new_session(), new_launch(1), {})

    assert env["NO_PROXY"] == env["no_proxy"] == spared
    assert environ.keys() <= env.keys()


def test_without_a_proxy_nothing_is_said_of_one() -> None:
    env = new_context(environ={"NO_PROXY": "a"}).env(new_session(), new_launch(1), {})

    assert env["NO_PROXY"] == "a"
    assert "no_proxy" not in env
