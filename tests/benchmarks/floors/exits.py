"""Replaces an engine as soon as its pidfd tells that it ended; nothing is recorded. Linux only.

python -m tests.benchmarks.floors.exits
"""

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL

from tests.benchmarks.children import children_of
from tests.benchmarks.floors.processes import floor_process
from tests.benchmarks.floors.spawning import spawn_engine


@contextmanager
def running_replacer() -> Iterator[int]:
    """Run it until left, and yield its pid: it has one child at any time, and replaces it."""
    with floor_process("exits") as process:
        try:
            yield process.pid
        finally:
            orphans = children_of(process.pid)
            process.kill()
            for pid in orphans:
                os.kill(pid, SIGKILL)


def _replace_for_ever() -> None:
    if sys.platform != "linux":
        raise NotImplementedError("pidfds are Linux's")
    pid = spawn_engine()
    print("ready", flush=True)
    while True:
        descriptor, poll = os.pidfd_open(pid), select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
        former, pid = pid, spawn_engine()
        os.waitpid(former, 0)
        os.close(descriptor)


if __name__ == "__main__":
    _replace_for_ever()
