"""Whose a process is, as macOS's calls tell it: its own shells keep their environment to themselves."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from openwa_manager.host.clock import SystemClock
from openwa_manager.host.foreign.engine_files import EngineFiles
from openwa_manager.processes.engine_processes import look_by_libproc
from openwa_manager.processes.launcher import HostLauncher
from openwa_manager.processes.locks import SessionLocks, reserve_lock_fd
from openwa_manager.processes.reading.darwin.libproc import Libproc
from openwa_manager.processes.reading.ownership import is_locked_through_by_libproc, low_descriptors_by_libproc
from openwa_manager.processes.reading.table import TaggedProcessTable, processes_by_libproc, tag_by_libproc
from tests.fakes.process import await_death, ending
from tests.processes.conftest import Stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the library answers from /proc")

#: Starts a program beside itself, says which, and waits for it.
STARTS = 'sleep 1000 & echo "[$$, $!]" > "$TELL"; wait'


@pytest.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[HostLauncher]:
    launcher = HostLauncher(SessionLocks(tmp_path / ".locks"), SystemClock(), EngineFiles())
    yield launcher
    launcher.close()


async def test_a_shell_and_what_it_starts_are_of_the_launch_whose_lock_they_hold(
    launcher: HostLauncher, stage: Stage, libproc: Libproc
) -> None:
    engine = await launcher.launch(stage.plan("sh", "-c", STARTS))
    pids = await stage.told()

    table = TaggedProcessTable(processes_by_libproc(libproc), partial(tag_by_libproc, libproc))

    strings = libproc.strings(engine.pid)
    assert strings is not None
    assert strings.environment == b""
    assert {each.pid for each in table.of_launch(stage.launch_id)} == {engine.pid, *pids}
    assert {each.session for each in table.of_launch(stage.launch_id)} == {engine.pid}


async def test_an_engine_that_shows_its_environment_is_of_the_launch_it_names(
    launcher: HostLauncher, stage: Stage, libproc: Libproc
) -> None:
    profile = f"--user-data-dir={stage.directory}/profile"
    engine = await launcher.launch(stage.python("tell(os.getpid()); wait_for_ever()", profile))
    await stage.told()

    tag = tag_by_libproc(libproc, engine.pid)
    environment, arguments = look_by_libproc(libproc, engine.pid)

    assert tag is not None
    assert (tag.launch_id, tag.is_ours) == (stage.launch_id, True)
    assert tag.user_data_dir == stage.directory / "profile"
    assert tag.arguments == arguments
    assert environment is not None
    assert stage.launch_id.encode() in environment


async def test_a_lock_is_seen_under_the_number_at_which_it_was_inherited(
    launcher: HostLauncher, stage: Stage, libproc: Libproc, tmp_path: Path
) -> None:
    engine = await launcher.launch(stage.plan("sh", "-c", STARTS))
    _, child = await stage.told()
    number, place = reserve_lock_fd(), str(tmp_path / ".locks" / stage.session_id)

    for pid in (engine.pid, child):
        assert (number, place) in list(low_descriptors_by_libproc(libproc, pid))
        assert is_locked_through_by_libproc(libproc, pid, number)
        assert not is_locked_through_by_libproc(libproc, pid, 0)
    assert os.path.realpath(place) == place


async def test_who_has_ended_hides_its_environment_and_who_is_another_users_does_not(libproc: Libproc) -> None:
    """An engine could have what it starts connect to our socket, and end before we look."""
    with ending(subprocess.Popen(["true"])) as ended:
        await_death(ended.pid)
        zombie = look_by_libproc(libproc, ended.pid)

    assert zombie == (None, [])
    assert look_by_libproc(libproc, 4_194_305) == (None, [])
    if os.geteuid() == 0:
        with ending(subprocess.Popen(["sleep", "1000"], user=65_534, group=65_534)) as anothers:
            told = look_by_libproc(libproc, anothers.pid)
            anothers.kill()
        assert told == (b"", [])
