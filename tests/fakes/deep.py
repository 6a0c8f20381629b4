"""Makes what no path can name."""

import os
from pathlib import Path


def write_deep(top: Path, depth: int) -> None:
    """Make folders in each other, deeper than a path can name."""
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        try:
            os.mkdir("a" * 50, dir_fd=folder)
            inner = os.open("a" * 50, os.O_RDONLY, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    os.close(folder)
