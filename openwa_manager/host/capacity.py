"""Measures how much memory and disk this host has left for engines."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

#: The unit of `st_blocks`, whatever the file system's own is (stat(2)).
_BLOCK_BYTES = 512


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


def used_disk_bytes(directory: Path) -> int:
    """Return what a directory with everything below takes on the disk; what cannot be looked at counts nothing."""
    used_bytes, pending = 0, [str(directory)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    used_bytes += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return used_bytes
