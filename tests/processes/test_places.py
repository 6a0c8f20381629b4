"""Which processes work in a directory or name a place in it."""

import os
import subprocess
import sys
from pathlib import Path

from openwa_manager.processes.reading.places import ProcessPlaces, find_about, places_by_psutil, read_places
from tests.fakes.process import ending


def test_both_ways_of_reading_say_the_same_of_a_process(tmp_path: Path) -> None:
    script = "import signal; print(flush=True); signal.pause()"
    program = [sys.executable, "-c", script, "an argument", f"--data={tmp_path}/data"]
    with ending(subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE)) as process:
        assert process.stdout is not None
        process.stdout.readline()  # while a program is being exchanged the system shows no arguments
        ours = {each.pid: each for each in read_places()}[process.pid]
        theirs = {each.pid: each for each in places_by_psutil()}[process.pid]
        process.kill()

    assert ours.working_dir == theirs.working_dir == str(tmp_path)
    assert ours.command_line.split(b"\0")[-2:] == [os.fsencode(f"--data={tmp_path}/data"), b""]
    assert theirs.command_line == ours.command_line.removesuffix(b"\0")


def test_our_own_process_is_not_looked_at() -> None:
    assert os.getpid() not in {each.pid for each in read_places()}


def test_who_may_not_be_looked_at_is_about_no_directory(tmp_path: Path) -> None:
    hidden = ProcessPlaces(pid=2, working_dir="", command_line=b"")

    assert find_about([hidden], tmp_path) == []


def test_a_directory_is_known_by_its_real_name_too(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    inside = ProcessPlaces(pid=2, working_dir=str(tmp_path / "real" / "data"), command_line=b"")

    assert find_about([inside], tmp_path / "link") == [2]
