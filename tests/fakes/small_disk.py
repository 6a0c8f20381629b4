"""A real disk that is soon full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[Path]:
    """Mount a disk of this size (as of `tmpfs`: 64k) at a new directory; skip the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    at.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at)]
    if subprocess.run(mounting, check=False, capture_output=True, timeout=30).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True, timeout=30)


def fill(disk: Path) -> None:
    """Leave not a byte; `filler` is what takes up the room."""
    with (disk / "filler").open("ab", buffering=0) as filler:
        for block_bytes in (1 << 20, 4096, 1):
            with suppress(OSError):
                while filler.write(b"\0" * block_bytes):
                    pass
