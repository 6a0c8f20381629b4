"""How the system announces the end of a process: before or after it can be reaped, and what it says of others'."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from openwa_manager.cli.selftest.checks.children import WITHIN_S, end_input, read_line, running
from openwa_manager.cli.selftest.facts import Facts, rounded_ms, spread_ms
from openwa_manager.domain.session.session import Identity
from openwa_manager.host.clock import SystemClock
from openwa_manager.host.kernel.queue import (
    EV_ONESHOT,
    EVFILT_PROC,
    NOTE_EXIT,
    NOTE_EXITSTATUS,
    KernelQueue,
    open_kernel_queue,
)
from openwa_manager.processes.exits.exit_watcher import ExitWatcher, system_source
from openwa_manager.processes.reading.identity import identity_of
from openwa_manager.processes.reading.table import read_processes

#: How many ends are awaited, directly and by our own source.
_RAW_COUNT, _OUR_COUNT = 300, 100
_CAT = ("cat",)
_EXIT_CODE = 7
_ORPHAN = f"import sys; sys.stdin.read(); sys.exit({_EXIT_CODE})"
#: Starts the orphan, which keeps its input, names it and ends.
_PARENT = (
    "import subprocess, sys;"
    f" child = subprocess.Popen([sys.executable, '-I', '-S', '-c', {_ORPHAN!r}], stdout=subprocess.DEVNULL);"
    " print(child.pid, flush=True); child.returncode = 0"
)


def exit_order(_place: Path) -> Iterator[Facts]:
    """Count how often the end is announced before waitpid tells it, and how long it takes from then on."""
    early_count, gaps_s = 0, []
    for _number in range(_RAW_COUNT):
        with running(_CAT) as child:
            _await_end(child)
            announced_s = time.perf_counter()
            if os.waitpid(child.pid, os.WNOHANG)[0] == 0:
                early_count += 1
                os.waitpid(child.pid, 0)
                gaps_s.append(time.perf_counter() - announced_s)
            child.returncode = 0  # it was reaped here
    yield {"count": _RAW_COUNT, "early_count": early_count, "until_reaped": spread_ms(gaps_s)}


def _await_end(child: subprocess.Popen[bytes]) -> None:
    """Return as soon as the system announces the end of this child, whose input ends now."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        with closing(open_kernel_queue()) as queue:
            kevents_of_end(queue, child.pid, lambda: end_input(child))
    elif sys.platform == "linux":
        pidfd = os.pidfd_open(child.pid)
        try:
            end_input(child)
            select.select([pidfd], [], [], WITHIN_S)
        finally:
            os.close(pidfd)


def our_exits(_place: Path) -> Iterator[Facts]:
    """Have our own source announce the ends of children, one after the other, and compare what it says of them."""
    codes, durations_s, missed_count = [], [], 0
    for number in range(_OUR_COUNT):
        with running(("/bin/sh", "-c", f"read line; exit {number % 100}")) as child:
            ended = _end_by_our_source(identity_of(child.pid), lambda child=child: end_input(child))  # type: ignore[misc]
        missed_count += ended is None
        if ended is not None:
            codes.append(ended[0] == number % 100)
            durations_s.append(ended[2])
    yield {
        "count": _OUR_COUNT,
        "right_count": sum(codes),
        "missed_count": missed_count,
        "announced_after": spread_ms(durations_s),
    }


def _end_by_our_source(
    identity: Identity | None, end: Callable[[], None]
) -> tuple[int | None, int | None, float] | None:
    """Return the exit code, the signal and how long it took until they were told; None when they were not told."""

    async def watch(identity: Identity) -> tuple[int | None, int | None, float] | None:
        watcher = ExitWatcher(SystemClock(), system_source())
        try:
            ended = watcher.watch(identity)
            end()
            begun_s = time.perf_counter()
            await asyncio.wait({ended}, timeout=WITHIN_S)
            if not ended.done():
                return None
            how = ended.result()
            return how.exit_code, how.signal, time.perf_counter() - begun_s
        finally:
            watcher.close()

    return None if identity is None else asyncio.run(watch(identity))


def orphan_exit(_place: Path) -> Iterator[Facts]:
    """Find out whose child an orphan becomes, and what its end tells to us, who did not start it."""
    with orphan() as (pid, end):
        adopter = next((each.ppid for each in read_processes() if each.pid == pid), None)
        yield {"adopter_is_first": adopter == 1, "adopter_is_us": adopter == os.getpid()}
        yield {"exits": _told(_end_by_our_source(identity_of(pid), end))}
    with orphan() as (pid, _end):
        yield {"killed": _told(_end_by_our_source(identity_of(pid), lambda: os.kill(pid, signal.SIGKILL)))}
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        with orphan() as (pid, end), closing(open_kernel_queue()) as queue:
            yield {"kevents": [list(each) for each in kevents_of_end(queue, pid, end)]}


@contextmanager
def orphan() -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield a process whose parent has ended, and what makes it exit with 7."""
    with running((sys.executable, "-I", "-S", "-c", _PARENT)) as parent:
        pid = int(read_line(parent))
        parent.wait(WITHIN_S)
        yield pid, lambda: end_input(parent)


def _told(ended: tuple[int | None, int | None, float] | None) -> Facts:
    """Return the end of an orphan as our own source tells it."""
    if ended is None:
        return {"is_announced": False}
    return {"is_announced": True, "exit_code": ended[0], "signal": ended[1], "after_ms": rounded_ms(ended[2])}


def kevents_of_end(queue: KernelQueue, pid: int, end: Callable[[], object]) -> list[tuple[int, int]]:
    """Return what the kernel posts when this process ends, to which `end` brings it: the notes, and the wait status."""
    queue.add(pid, EVFILT_PROC, EV_ONESHOT, NOTE_EXIT | NOTE_EXITSTATUS)
    end()
    select.select([queue.fileno()], [], [], WITHIN_S)
    return [(event.fflags, event.data) for event in queue.read()]
