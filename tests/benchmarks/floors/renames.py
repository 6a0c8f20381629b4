"""Tells of each rename into a folder, as inotify tells of it. Linux only.

python -m tests.benchmarks.floors.renames FOLDER
"""

import ctypes
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.floors.processes import floor_process

_MOVED_TO = 0x80  # IN_MOVED_TO, <sys/inotify.h>


def rename_times(count: int) -> list[float]:
    """Rename so many files into a folder; return how long after each another process had told of it, in seconds."""
    times_s: list[float] = []
    with tempfile.TemporaryDirectory(prefix="openwa-bench-") as folder, floor_process("renames", folder) as process:
        assert process.stdout is not None
        fresh, code = Path(folder, "fresh.png"), Path(folder, "qr.png")
        for _ in range(count):
            fresh.write_bytes(b"a code")
            began_s = time.perf_counter()
            fresh.replace(code)
            process.stdout.readline()
            times_s.append(time.perf_counter() - began_s)
    return times_s


def _tell(folder: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init()
    if libc.inotify_add_watch(descriptor, folder.encode(), _MOVED_TO) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    print("ready", flush=True)
    while os.read(descriptor, 4096):
        print("seen", flush=True)


if __name__ == "__main__":
    _tell(sys.argv[1])
