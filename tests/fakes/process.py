"""Programs that a test starts and that never outlive it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import AnyStr

from openwa_manager.processes.reading.identity import live_identity_of
from tests.fakes.polling import PATIENCE_S


@contextmanager
def ending(process: subprocess.Popen[AnyStr], within_s: float = PATIENCE_S) -> Iterator[subprocess.Popen[AnyStr]]:
    """Close the program's pipes and wait for its end after the body, as `with process` does, but not for ever.

    A program that is late is killed; so is one whose body fails, at once.

    Raises:
        subprocess.TimeoutExpired: the program was late.
    """
    try:
        yield process
        _close_pipes(process)
        process.wait(within_s)
    finally:
        process.kill()
        _close_pipes(process)
        process.wait(within_s)


def await_death(pid: int) -> None:
    """Return once a child of ours has ended; it stays a zombie."""
    if sys.platform == "linux":
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    else:  # where Python has no `waitid`
        while live_identity_of(pid) is not None:
            os.sched_yield()


@contextmanager
def handing_on(*, ignored: Iterable[signal.Signals] = (), blocked: Iterable[signal.Signals] = ()) -> Iterator[None]:
    """Let programs that are started meanwhile inherit signals that are ignored or blocked."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)


def _close_pipes(process: subprocess.Popen[AnyStr]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):  # unsent input for a program that has ended
                pipe.close()
