import ctypes
import os
import sys
from pathlib import Path

import psutil
import pytest

from openwa_manager.host.capacity import (
    free_disk_bytes,
    free_memory_bytes,
    memory_floor_bytes,
    pressure_level,
    read_pressure_level,
)
from openwa_manager.host.system_library import SystemValues, load_library
from tests.fakes.darwin.building import build_libproc, build_library
from tests.fakes.platforms import linux_only


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


@pytest.mark.parametrize(
    ("pressure", "floor_bytes"),
    [(None, 600_000_000), (0, 150_000_000), (1, 150_000_000), (2, None), (4, None)],
)
def test_less_need_be_free_while_the_system_is_content_and_nothing_will_do_once_it_warns(
    pressure: int | None, floor_bytes: int | None
) -> None:
    assert memory_floor_bytes(600_000_000, pressure) == floor_bytes


@linux_only("the library answers from /proc")
def test_the_level_is_what_the_kernel_says(tmp_path: Path) -> None:
    library = load_library(build_libproc(tmp_path))
    ctypes.c_int.in_dll(library, "fake_vm_pressure_level").value = 4

    assert read_pressure_level(SystemValues(library)) == 4


def test_only_macos_is_asked_for_a_level() -> None:
    assert (pressure_level() is None) == (sys.platform != "darwin")


@linux_only("the library answers from /proc")
def test_a_kernel_that_has_no_level_says_nothing(tmp_path: Path) -> None:
    source = tmp_path / "none.c"
    source.write_text("int sysctlbyname(void) { return -1; }")
    assert read_pressure_level(SystemValues(load_library(build_library(source, tmp_path)))) is None
