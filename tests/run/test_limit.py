"""A run of the tests ends, whatever hangs, and leaves nothing behind."""

import signal
from pathlib import Path

import pytest

from tests.run.leftovers import find_leftovers
from tests.run.limit import EXIT_LEFTOVERS, EXIT_OVERDUE
from tests.run.nested import run_nested

pytestmark = pytest.mark.timeout(120)

#: Starts programs that outlive it, one of them in a session of its own, and then does not take no for an answer.
HANGING = """
import subprocess, time

def test_it_never_ends():
    subprocess.Popen(["sleep", "1001"])
    subprocess.Popen(["sleep", "1002"], start_new_session=True)
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""

LEAVING = """
import subprocess

def test_it_leaves_a_program_running(tmp_path):
    process = subprocess.Popen(["sleep", "1003"], env={}, cwd=tmp_path, start_new_session=True)
    process.returncode = 0
"""

#: Ends the process that runs it, or the controller of that.
TERMINATING = """
import os, signal, subprocess, time

def test_somebody_has_had_enough():
    subprocess.Popen(["sleep", "1004"])
    parent = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    os.kill(parent, signal.SIGTERM)
    time.sleep(40)
"""

WAITING = """
import asyncio
import pytest

@pytest.mark.asyncio
@pytest.mark.timeout(11)
async def test_it_waits_for_ever(tmp_path):
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        print("has cleaned up")
"""


@pytest.mark.parametrize("workers", [(), ("--numprocesses=1",)], ids=["alone", "worker"])
def test_a_run_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path, workers: tuple[str, ...]) -> None:
    ended = run_nested(tmp_path, HANGING, "--run-limit=10", *workers)

    assert ended.code == EXIT_OVERDUE, ended.said
    assert "in test_it_never_ends" in ended.said
    assert "sleep 1001" in ended.said
    assert find_leftovers(tmp_path) == []


@pytest.mark.parametrize("workers", [(), ("--numprocesses=1",)], ids=["alone", "worker"])
def test_what_a_test_leaves_running_is_ended_and_fails_the_run(tmp_path: Path, workers: tuple[str, ...]) -> None:
    ended = run_nested(tmp_path, LEAVING, *workers)

    assert ended.code == EXIT_LEFTOVERS, ended.said
    assert "1 passed" in ended.said
    assert "left running by the tests, and killed" in ended.said
    assert find_leftovers(tmp_path) == []


@pytest.mark.parametrize("workers", [(), ("--numprocesses=1",)], ids=["alone", "worker"])
def test_a_run_that_is_told_to_end_leaves_nothing_behind(tmp_path: Path, workers: tuple[str, ...]) -> None:
    ended = run_nested(tmp_path, TERMINATING, *workers)

    assert ended.code == 128 + signal.SIGTERM, ended.said
    assert "sleep 1004" in ended.said
    assert find_leftovers(tmp_path) == []


def test_a_coroutine_that_waits_for_ever_is_cancelled_in_order(tmp_path: Path) -> None:
    ended = run_nested(tmp_path, WAITING)

    assert ended.code == pytest.ExitCode.TESTS_FAILED, ended.said
    assert "TimeoutError" in ended.said
    assert "has cleaned up" in ended.said
