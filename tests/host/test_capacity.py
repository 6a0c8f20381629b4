import os
from pathlib import Path

import psutil
import pytest

from openwa_manager.host.capacity import free_disk_bytes, free_memory_bytes


def test_free_memory_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       24000000 kB\nMemFree:          100000 kB\nMemAvailable:    2000000 kB\n")

    assert free_memory_bytes(meminfo) == 2_048_000_000


def test_a_system_without_meminfo_is_asked_through_psutil(tmp_path: Path) -> None:
    assert free_memory_bytes(tmp_path / "meminfo") == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_an_old_kernel_without_the_line_is_asked_through_psutil(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\n")

    assert free_memory_bytes(tmp_path / "meminfo") > 1024


def test_this_hosts_free_memory_is_less_than_all_of_it() -> None:
    assert 0 < free_memory_bytes() < psutil.virtual_memory().total


def test_free_disk_is_that_of_the_paths_own_disk(tmp_path: Path) -> None:
    stat = os.statvfs(tmp_path)

    assert free_disk_bytes(tmp_path) == pytest.approx(stat.f_bavail * stat.f_frsize, rel=0.2)
