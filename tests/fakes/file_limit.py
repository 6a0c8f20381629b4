"""Running out of files, for real: what a process that may open only so many more does."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def open_descriptors() -> set[str]:
    """Return the numbers of the descriptors this process holds; the one that reads the directory is among them."""
    return {entry.name for entry in Path("/dev/fd").iterdir()}


@contextmanager
def files_left(count: int) -> Iterator[None]:
    """Let this process open exactly `count` more descriptors while the body runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, open_descriptors()))
    fillers: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + count, hard))
    try:
        while True:
            try:
                fillers.append(os.dup(0))
            except OSError:
                break
        for _ in range(count):
            os.close(fillers.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)
