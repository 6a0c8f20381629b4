"""Which locks of browsers are in the way of the next one, and which belong to one that runs."""

import asyncio
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.domain.session.session import Exit
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.profiles import clear_stale_locks
from tests.fakes.clock import FakeClock
from tests.fakes.process import ending
from tests.processes.conftest import Stage

HERE, FORMERLY = socket.gethostname(), "mac-mini.fritz.box"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "user_1" / "data" / "sessions" / "session-user_1"
    path.mkdir(parents=True)
    return path


def lock(profile: Path, target: str) -> Path:
    link = profile / "SingletonLock"
    link.symlink_to(target)
    (profile / "SingletonCookie").symlink_to("123")
    return link


def clear(profile: Path) -> int:
    return clear_stale_locks(of_session(profile.parents[2]))


@pytest.mark.parametrize("host", [HERE, FORMERLY, "a-b-c", ""])
def test_the_lock_of_a_dead_browser_goes_whatever_this_host_was_called_then(profile: Path, host: str) -> None:
    link = lock(profile, f"{host}-{os.getpid()}")  # the number is another process's by now

    assert clear(profile) == 1
    assert not os.path.lexists(link)
    assert not os.path.lexists(profile / "SingletonCookie")


@pytest.mark.parametrize("host", [HERE, FORMERLY])
@pytest.mark.parametrize("number", ["its own", "another"])
def test_the_lock_of_a_browser_that_runs_stays_whatever_it_says(profile: Path, host: str, number: str) -> None:
    argv = [sys.executable, "-c", "print(flush=True); input()", f"--user-data-dir={profile}"]
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as browser:
        assert browser.stdout is not None
        browser.stdout.readline()
        link = lock(profile, f"{host}-{browser.pid if number == 'its own' else browser.pid + 1}")

        assert clear(profile) == 0
        assert os.path.lexists(link)
        browser.kill()
        browser.wait(10)

    assert clear(profile) == 1


@pytest.mark.parametrize("target", ["nobody", "host-", "host-x1"])
def test_a_link_that_is_not_chromiums_is_left_to_its_owner(profile: Path, target: str) -> None:
    link = lock(profile, target)

    assert clear(profile) == 0
    assert os.path.lexists(link)


async def test_nothing_is_cleared_while_somebody_holds_the_session(
    timeless: HostLauncher, clock: FakeClock, stage: Stage, tmp_path: Path
) -> None:
    profile = stage.directory / "data" / "sessions" / "session-user_1"
    profile.mkdir(parents=True)
    link = lock(profile, f"{FORMERLY}-1")

    async with asyncio.TaskGroup() as tasks:
        with (tmp_path / "locks" / "user_1").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            launch = tasks.create_task(timeless.launch(stage.plan("true")))
            await clock.until_sleeping()
            was_there = os.path.lexists(link)
        await clock.advance(0.25)

    assert await timeless.wait(launch.result()) == Exit(exit_code=0)
    assert (was_there, os.path.lexists(link)) == (True, False)
