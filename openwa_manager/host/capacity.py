"""Measures how much memory and disk this host has left for engines."""

import shutil
import sys
from pathlib import Path

import psutil

from openwa_manager.host.system_library import SystemValues, system_values

#: What macOS says of its memory: 1 normal, 2 warning, 4 critical (NOTE_MEMORYSTATUS_PRESSURE_* of bsd/sys/event.h, told
#: by bsd/kern/kern_memorystatus_notify.c).
_PRESSURE_LEVEL = "kern.memorystatus_vm_pressure_level"
_PRESSURE_WARNS = 2
#: macOS keeps little free on purpose: it compresses and caches. While it is content a quarter must be free.
_CONTENT_SHARE = 4


def free_memory_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the memory that can be handed out without swapping."""
    try:
        with meminfo.open(encoding="ascii") as lines:
            for line in lines:
                name, _, amount = line.partition(":")
                if name == "MemAvailable":
                    return int(amount.split()[0]) * 1024
    except FileNotFoundError:  # macOS
        pass
    return psutil.virtual_memory().available


def pressure_level() -> int | None:
    """Return how short of memory macOS says it is, as `memory_floor_bytes` takes it; None on other systems."""
    if sys.platform != "darwin":
        return None
    else:  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return read_pressure_level(system_values())


def read_pressure_level(values: SystemValues) -> int | None:
    """Return how short of memory the system says it is; None where it does not tell."""
    try:
        return values.number(_PRESSURE_LEVEL)
    except OSError:
        return None


def memory_floor_bytes(min_free_bytes: int, pressure: int | None) -> int | None:
    """Return how much memory must be free for an engine to start; None: none may start, however much is free.

    `min_free_bytes` is what must be free where the system does not tell how short it is (`pressure` None).
    """
    if pressure is None:
        return min_free_bytes
    return None if pressure >= _PRESSURE_WARNS else min_free_bytes // _CONTENT_SHARE


def free_disk_bytes(path: Path) -> int:
    """Return what an ordinary user may still write on the disk that holds `path`."""
    return shutil.disk_usage(path).free
