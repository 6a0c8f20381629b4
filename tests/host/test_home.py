"""The daemon's home and its lock."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from openwa_manager.domain.errors import AlreadyRunningError
from openwa_manager.host.home import DaemonLock, file_limits
from tests.fakes.file_limit import open_descriptors


def test_a_lock_names_its_owner_to_whoever_comes_second(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"

    with DaemonLock(path), pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()} owns the house"):
        DaemonLock(path, "the house").__enter__()


def test_a_lock_can_be_taken_again_once_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"

    for _ in range(2):
        with DaemonLock(path):
            assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_that_cannot_be_written_is_not_kept_open() -> None:
    before = open_descriptors()

    for _ in range(3):
        with pytest.raises(OSError, match="Invalid argument"):
            DaemonLock(Path("/dev/full")).__enter__()

    assert open_descriptors() == before


UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("hard", "system", "tried"),
    [
        (UNLIMITED, 61_440, (61_440, 10_240)),  # a job of launchd: 256, unlimited
        (4096, 61_440, (4096, 4096)),
        (524_288, 524_288, (524_288, 10_240)),
        (UNLIMITED, UNLIMITED, (UNLIMITED, 10_240)),
    ],
)
def test_no_more_files_are_asked_for_than_the_system_lets_a_process_open(
    hard: int, system: int, tried: tuple[int, ...]
) -> None:
    assert file_limits(hard, system) == tried


RAISE = """
import resource
from openwa_manager.host.home import raise_file_limit, set_soft_limit
limits = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048))
set_soft_limit((4096, 1024), 256, 2048)
refused = limits()[0]
set_soft_limit((512, 300), 1024, 2048)
lower = limits()[0]
raise_file_limit()
print(refused, lower, *limits())
"""


def test_a_limit_that_the_system_refuses_gives_way_to_a_lower_one_and_none_is_lowered() -> None:
    said = subprocess.run([sys.executable, "-c", RAISE], capture_output=True, text=True, check=True, timeout=30)

    assert said.stdout.split() == ["1024", "1024", "2048", "2048"]
