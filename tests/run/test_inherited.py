"""A run of the tests does not care how it was started."""

from pathlib import Path

import pytest

from openwa_manager.config import GUIDE_NAMES, PREFIX
from tests.run.inherited import is_foreign
from tests.run.nested import run_nested

pytestmark = pytest.mark.timeout(120)

#: What a test and the programs it starts find.
TESTS = """
import os, signal, subprocess, sys
import pytest

def started(program, **how):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=45, **how)

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_program_can_be_ended(number):
    with subprocess.Popen(["sleep", "20"]) as program:
        program.send_signal(number)
        assert program.wait(10) == -number

def test_the_run_stays_as_deaf_as_it_was_told():
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGHUP)

def test_a_dead_child_can_be_asked_for_its_status():
    assert started("raise SystemExit(3)").returncode == 3

def test_no_socket_gets_a_standard_number(tmp_path):
    with (tmp_path / "file").open("w") as file:
        assert file.fileno() > 2
    assert started("print(len(input()))", input="four").stdout == "4\\n"

def test_a_file_is_readable_by_others(tmp_path):
    (tmp_path / "file").touch()
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644

def test_nothing_chooses_a_daemon_a_language_or_a_proxy(tmp_path_factory):
    assert not {"OPENWA_MANAGER_HOME", "WEBHOOK_URL", "LC_ALL", "PYTHONIOENCODING", "HTTP_PROXY"} & os.environ.keys()
    assert os.environ["HOME"].startswith(str(tmp_path_factory.getbasetemp()))
    assert os.environ["OPENWA_MOCK"] == "/kept"
    assert started("print('\\\\N{WHITE SMILING FACE}')", encoding="utf-8").stdout == "\\N{WHITE SMILING FACE}\\n"
"""
TEST_COUNT = 9


@pytest.mark.parametrize("workers", [(), ("--numprocesses=1",)], ids=["alone", "worker"])
def test_what_the_caller_hands_on_does_not_reach_the_tests(tmp_path: Path, workers: tuple[str, ...]) -> None:
    environ = {
        "OPENWA_MANAGER_HOME": "/nowhere",
        "WEBHOOK_URL": "http://192.0.2.1/",
        "OPENWA_MOCK": "/kept",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
        "HTTP_PROXY": "http://192.0.2.1:3128",
    }

    ended = run_nested(tmp_path, TESTS, *workers, ignored="SIGINT SIGHUP SIGTERM SIGCHLD", environ=environ)

    assert (ended.code, f"{TEST_COUNT} passed" in ended.said) == (0, True), ended.said


def test_every_setting_from_the_environment_is_foreign() -> None:
    kept = {"OPENWA_HOME", "NODE"}  # what `make test-openwa` is told by

    assert all(is_foreign(name) for name in (*GUIDE_NAMES, f"{PREFIX}HOME") if name not in kept)
    assert not any(is_foreign(name) for name in (*kept, "PATH"))
