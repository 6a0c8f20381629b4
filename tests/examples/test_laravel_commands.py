"""The commands of the Laravel package: what the guide calls by exec(), and the one that says what is wrong."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import eventually
from tests.examples.backend import PATH, SECRET
from tests.examples.laravel_site import HAS_LARAVEL, PACKAGE, Site, artisan, build_app, configure, serving
from tests.fakes.ports import free_ports

pytestmark = pytest.mark.skipif(not HAS_LARAVEL, reason="needs the packages that test_laravel.py names")

NAME = "user_1_session_550e8400"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("site"), {"HEARTBEAT_S": "1000"}) as running:
        yield running


@pytest.fixture
def settings(site: Site) -> Iterator[Site]:
    """Give the site, and put its settings right again behind the test."""
    yield site
    configure(site.folder, site.daemon)


@pytest.fixture(scope="module")
def hosted(site: Site) -> Iterator[Path]:
    """Make an app as a web server has it: owned by www-data (if we may), its settings cached, the bridge in bin."""
    with tempfile.TemporaryDirectory(dir="/tmp") as top:
        folder = Path(top) / "app"
        build_app(folder)
        configure(folder, site.daemon)
        artisan(folder, "vendor:publish", "--tag=openwa-bin")
        artisan(folder, "config:cache")
        (folder / ".env").unlink()
        if os.geteuid() == 0:
            Path(top).chmod(0o755)
            package = folder / "vendor/openwa-manager/laravel"  # www-data may not read where the checkout lies
            package.unlink()
            shutil.copytree(PACKAGE, package)
            subprocess.run(["chown", "-R", "www-data:", str(folder)], check=True, timeout=20)
        yield folder


def bridge(folder: Path, *words: str, bin_: str = "bin/manage-openwa.php") -> tuple[int, str]:
    """Call it as PHP's exec() does within a web server: another user, no HOME, from anywhere."""
    user = ["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups"] if os.geteuid() == 0 else []
    argv = [*user, "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "php", str(folder / bin_), *words]
    run = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False, timeout=60)
    return run.returncode, run.stdout


def asked(folder: Path, *words: str) -> tuple[int, dict[str, Json]]:
    code, said = bridge(folder, *words)
    assert said.count("\n") == 1, said  # the guide reads one line
    return code, json.loads(said)


def test_the_bridge_of_the_guide_creates_lists_restarts_and_deletes(site: Site, hosted: Path) -> None:
    created = asked(hosted, "create", NAME)
    again = asked(hosted, "create", NAME)
    listed = asked(hosted, "list")
    former = site.daemon.registry()[NAME]
    restarted = asked(hosted, "restart", NAME)
    eventually(lambda: site.daemon.registry().get(NAME, former) != former)
    log = bridge(hosted, "logs", NAME, "--tail")
    line = bridge(hosted, "logs", NAME, "--tail=1")
    deleted = asked(hosted, "delete", NAME)

    assert created[0] == again[0] == listed[0] == restarted[0] == log[0] == 0
    assert created[1] == {**created[1], "session_id": NAME, "status": "qr_ready", "pid": former}
    assert str(created[1]["qr_base64"]).startswith("iVBOR")
    assert again[1]["pid"] == former
    sessions = listed[1]["sessions"]
    assert isinstance(sessions, list)
    assert [each["session_id"] for each in sessions] == [NAME]
    assert log[1].count("\n") > line[1].count("\n") == 1
    assert deleted == (0, {"session_id": NAME, "status": "deleted"})
    assert site.daemon.registry() == {}


def test_the_guides_two_lines_get_a_pid_and_a_code(site: Site, hosted: Path) -> None:
    lines = f"""
        $sessionId = '{NAME}';
        $cmd = "php /opt/openwa-integration/bin/manage-openwa.php create {{$sessionId}}";
        exec($cmd, $output, $returnVar);
        echo json_encode([$returnVar, json_decode($output[0], true)]);"""
    code = lines.replace("/opt/openwa-integration", str(hosted))

    said = subprocess.run(
        ["php", "-r", code], capture_output=True, text=True, check=True, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )
    pid = site.daemon.registry()[NAME]
    asked(hosted, "delete", NAME)

    return_code, answer = json.loads(said.stdout)
    assert return_code == 0
    assert (answer["session_id"], answer["pid"]) == (NAME, pid)
    assert answer["qr_base64"].startswith("iVBOR")


def test_the_bridge_says_in_its_answer_and_its_code_what_is_refused(site: Site, hosted: Path) -> None:
    missing = asked(hosted, "restart", "nobody")
    wrong = asked(hosted, "create", "../etc")
    misused = [asked(hosted, "create"), asked(hosted, "dance", "x")]

    assert (missing[0], missing[1]["status"], missing[1]["error"]) == (3, "error", "not_found")
    assert (wrong[0], wrong[1]["error"]) == (1, "invalid")
    assert [(code, answer["error"]) for code, answer in misused] == [(2, "usage")] * 2
    assert site.daemon.registry() == {}


def test_the_bridge_is_an_artisan_command_too_and_says_when_nobody_answers(settings: Site) -> None:
    nobody = replace(settings.daemon, port=free_ports(1)[0])
    listed = artisan(settings.folder, "openwa:manage", "list")
    configure(settings.folder, nobody)
    silent = artisan(settings.folder, "openwa:manage", "list", code=5)

    assert json.loads(listed) == {"sessions": []}
    assert json.loads(silent)["error"] == "no_answer"


def test_all_is_well_when_the_app_and_the_manager_understand_each_other(site: Site) -> None:
    said = artisan(site.folder, "openwa:test")

    assert "FAULT" not in said
    assert said.endswith("deleted it\nAll is well.\n")
    assert site.daemon.ask("GET", "/v1/sessions").body["sessions"] == []
    eventually(lambda: not site.rows("SELECT 1 FROM openwa_sessions"))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"OPENWA_BASE_URL": "manager"}, 'OPENWA_BASE_URL must be like https://manager.example.com, and is "manager"'),
        ({"OPENWA_BASE_URL": "http://127.0.0.1:9"}, "Nobody answers at http://127.0.0.1:9: is the manager running"),
        ({"OPENWA_API_KEY": ""}, "OPENWA_API_KEY is empty"),
        ({"OPENWA_API_KEY": "owm_0123_wrong"}, "OPENWA_API_KEY is refused"),
        ({"OPENWA_WEBHOOK_SECRET": ""}, "OPENWA_WEBHOOK_SECRET is empty"),
        ({"OPENWA_WEBHOOK_SECRET": "whsec_***"}, "what follows is not base64"),
    ],
)
def test_what_is_wrong_is_said_in_words(settings: Site, changed: dict[str, str], expected: str) -> None:
    configure(settings.folder, settings.daemon, **changed)

    assert expected in artisan(settings.folder, "openwa:test", code=1)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"OPENWA_WEBHOOK_SECRET": "another"}, "was answered 401. The secrets differ"),
        ({"OPENWA_WEBHOOK_PATH": "api/webhooks/openwa"}, "was answered 404. The path is wrong"),
    ],
)
def test_why_events_do_not_get_through_is_said_in_words(tmp_path: Path, changed: dict[str, str], expected: str) -> None:
    with serving(tmp_path, {}) as site:
        configure(site.folder, site.daemon, **changed)

        said = artisan(site.folder, "openwa:test", "--timeout=1", code=1)

        assert expected in said
        assert site.daemon.ask("GET", "/v1/sessions").body["sessions"] == []


def test_that_messages_are_sent_to_one_number_is_shown(settings: Site) -> None:
    configure(settings.folder, settings.daemon, OPENWA_DEBUG_TO="+852", APP_ENV="local")
    elsewhere = artisan(settings.folder, "openwa:test")
    configure(settings.folder, settings.daemon, OPENWA_DEBUG_TO="+852", APP_ENV="production")
    in_production = artisan(settings.folder, "openwa:test")

    assert "OPENWA_DEBUG_TO: EVERY MESSAGE GOES TO +852" in elsewhere
    assert "OPENWA_DEBUG_TO is set and does nothing" in in_production


def test_a_key_that_may_not_make_sessions_is_not_taken_for_a_fault(settings: Site) -> None:
    scoped: dict[str, Json] = {"name": "scoped", "role": "operator", "sessions": ["user_1_*"]}
    for terms, option, expected in (
        ({"name": "sender", "role": "sender"}, (), "The key may not make sessions"),
        (scoped, (), "--session=NAME, a name it is for"),
        (scoped, ("--session=user_1_test",), "deleted it\nAll is well."),
    ):
        key = settings.daemon.ask("POST", "/v1/keys", terms).text("key")
        configure(settings.folder, settings.daemon, OPENWA_API_KEY=key)

        assert expected in artisan(settings.folder, "openwa:test", *option)


def test_an_app_that_nobody_tells_is_told_so(tmp_path: Path, site: Site) -> None:
    folder = tmp_path / "app"
    build_app(folder)
    configure(folder, site.daemon)  # the manager posts to the other app

    said = artisan(folder, "openwa:test", "--timeout=1", code=1)

    assert "was answered 204, but it is not in this app's tables" in said
    assert SECRET not in said
    assert PATH in said
