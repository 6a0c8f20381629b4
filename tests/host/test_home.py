"""The daemon's home and its lock."""

import os
from pathlib import Path

import pytest

from openwa_manager.domain.errors import AlreadyRunningError
from openwa_manager.host.home import DaemonLock
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
