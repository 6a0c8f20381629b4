"""Measures how much memory and disk this host has left for engines."""

import shutil
from pathlib import Path

import psutil


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


def free_disk_bytes(path: Path) -> int:
    """Return what an ordinary user may still write on the disk that holds `path`."""
    return shutil.disk_usage(path).free
