"""The workflow of the example: what it runs is run, in a Laravel app with the guide's service, by PHPUnit."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import cast

import pytest
import yaml  # type: ignore[import-untyped]  # its types are another package

from tests.examples.backend import EXAMPLES
from tests.examples.laravel_site import HAS_LARAVEL, build_app
from tests.pages.blocks import blocks_of

EXAMPLE = EXAMPLES / "laravel-ci"
WORKFLOW = EXAMPLE / ".github" / "workflows" / "tests.yml"
NOT_RUN = "# not run here: "
#: What GitHub takes in each place, as far as this workflow uses it (docs.github.com, Workflow syntax).
TOP = {"name", "on", "permissions", "jobs"}
JOB = {"runs-on", "timeout-minutes", "steps"}
STEP = {"name", "uses", "with", "run", "env"}

needs_phpunit = pytest.mark.skipif(
    not HAS_LARAVEL or shutil.which("phpunit") is None, reason="needs Debian's php-laravel-framework and phpunit"
)

#: What Composer would make of `autoload-dev`.
AUTOLOAD = """\
<?php

require __DIR__.'/../bootstrap/libraries.php';
spl_autoload_register(function (string $class) {
    if (strncmp($class, 'Tests\\\\', 6) === 0) {
        require __DIR__.'/'.str_replace('\\\\', '/', substr($class, 6)).'.php';
    }
});
"""


def steps() -> list[Mapping[str, object]]:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    return cast("list[Mapping[str, object]]", job["steps"])


def scripts() -> Iterator[str]:
    return (str(step["run"]) for step in steps() if "run" in step)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    build_app(folder, Path(__file__).parent / "guide")
    shutil.copytree(EXAMPLE / "tests", folder / "tests", dirs_exist_ok=True)
    (folder / "tests" / "autoload.php").write_text(AUTOLOAD)
    (folder / "phpunit.xml").write_text(
        '<phpunit bootstrap="tests/autoload.php"><testsuites><testsuite name="all">'
        "<directory>tests/Feature</directory></testsuite></testsuites></phpunit>"
    )
    (folder / ".env.example").write_text("OPENWA_BASE_URL=http://127.0.0.1:9\nOPENWA_API_KEY=of-the-real-one\n")
    write_program(folder / "vendor" / "bin" / "phpunit", 'exec phpunit "$@"')
    write_program(tmp_path / "bin" / "openwa-manager", f'exec "{sys.executable}" -m openwa_manager "$@"')
    return folder


def write_program(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does."""
    (folder.parent / "home").mkdir(exist_ok=True)
    (folder.parent / "t").mkdir(exist_ok=True)
    environ = {
        "PATH": f"{folder.parent / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder.parent / "home"),
        "TMPDIR": str(folder.parent / "t"),
        "LANG": "C.UTF-8",
    }
    argv = ["bash", "-e", "-c", script]
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False)


def test_the_workflow_is_one() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    events = workflow.pop(True)  # YAML 1.1 reads `on` so

    assert set(events) <= {"push", "pull_request"}
    assert {*workflow, "on"} == TOP
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert set(job) == JOB
        for step in job["steps"]:
            assert set(step) <= STEP
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
    assert "secrets." not in WORKFLOW.read_text("utf-8")


@pytest.mark.parametrize("script", list(scripts()))
def test_each_step_is_bash(script: str) -> None:
    subprocess.run(["bash", "-n", "-c", script], check=True, timeout=20)


@needs_phpunit
def test_the_steps_end_well_and_leave_nothing(app: Path) -> None:
    said = [run(script, app) for script in scripts() if not script.startswith(NOT_RUN)]

    assert [each.returncode for each in said] == [0, 0], "\n".join(each.stdout + each.stderr for each in said)
    assert "OK (3 tests, " in said[-1].stdout
    assert list((app.parent / "t").iterdir()) == []


@needs_phpunit
def test_a_test_that_fails_fails_the_step(app: Path) -> None:
    test = app / "tests" / "Feature" / "WhatsAppTest.php"
    test.write_text(test.read_text("utf-8").replace("['Hello'], $this->whats", "['Bye'], $this->whats"), "utf-8")

    said = run(list(scripts())[-1], app)

    assert said.returncode == 1
    assert "Failed asserting that two arrays are identical" in said.stdout


@needs_phpunit
def test_a_test_against_anything_but_a_mock_fails_before_it_sends(app: Path) -> None:
    asked: list[str] = []

    class Another(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Another) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        said = run(f"OPENWA_BASE_URL={url} OPENWA_API_KEY=x vendor/bin/phpunit", app)
        server.shutdown()

    assert said.returncode == 1
    assert "OPENWA_BASE_URL is no mock" in said.stdout
    assert asked == ["/_mock/reset"] * 3


def test_the_page_shows_a_test_of_the_example() -> None:
    (shown,) = (block.code for block in blocks_of("openwa_manager/docs/mock.md") if block.language == "php")

    example = (EXAMPLE / "tests" / "Feature" / "WhatsAppTest.php").read_text("utf-8")

    assert shown.rstrip().removesuffix("}").strip() in example


def test_the_fixture_of_the_page_works_with_the_mock_around_pytest(tmp_path: Path) -> None:
    (recipe,) = (block.code for block in blocks_of("openwa_manager/docs/mock.md") if block.language == "python")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "conftest.py").write_text(recipe)
    (tmp_path / "app" / "test_app.py").write_text(
        "import pytest\n\n\n@pytest.mark.parametrize('text', ['one', 'two'])\ndef test_send(mock, text):\n"
        "    path = '/api/sessions/user_1_session_a/messages/send-text'\n"
        "    mock.ask('POST', path, {'to': '+85212345678', 'text': text})\n"
        "    assert [each['text'] for each in mock.ask('GET', '/_mock/messages')['messages']] == [text]\n"
    )
    pytest_alone = f'"{sys.executable}" -m pytest -q -p no:cacheprovider -c /dev/null --rootdir .'
    write_program(tmp_path / "bin" / "openwa-manager", f'exec "{sys.executable}" -m openwa_manager "$@"')

    said = run(f"openwa-manager mock --port 0 --scan-after 0 -- {pytest_alone}", tmp_path / "app")

    assert said.returncode == 0, said.stdout + said.stderr
    assert "2 passed" in said.stdout
