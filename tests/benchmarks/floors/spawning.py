"""Starts the trivial engine of the benchmarks by posix_spawn alone."""

import os
import time
from contextlib import suppress
from signal import SIGKILL
from typing import Final

#: What every contender runs: it costs nothing, so that only the supervisor is measured.
ENGINE: Final = ("/bin/sleep", "100000")


def spawn_engine() -> int:
    """Start the engine in a session of its own and return its pid."""
    return os.posix_spawn(ENGINE[0], ENGINE, {}, setsid=True)


def end_engine(pid: int) -> None:
    """End an engine that is a child of ours."""
    with suppress(ProcessLookupError):
        os.kill(pid, SIGKILL)
    os.waitpid(pid, 0)


def spawn_times(count: int) -> list[float]:
    """Start so many, one after the other, and return how long each took until it ran, in seconds."""
    times_s: list[float] = []
    pids: list[int] = []
    for _ in range(count):
        began_s = time.perf_counter()
        pids.append(spawn_engine())
        os.kill(pids[-1], 0)
        times_s.append(time.perf_counter() - began_s)
    for pid in pids:
        end_engine(pid)
    return times_s
