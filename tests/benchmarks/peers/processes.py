"""Reads what the kernel knows of supervisors and their engines, and ends what was started."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.benchmarks.peers.contender import ENGINE
from tests.run.leftovers import end_all, find_leftovers

_ENDS_WITHIN_S = 20.0


class Program:
    """A program in the foreground, that may be started again after it was killed; its output is kept in a file."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self._argv = argv
        self._environ = environ
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it; a former one that was killed is forgotten."""
        self.close()
        with (self._folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv, env=self._environ, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def require(self) -> None:
        """Check that it still runs.

        Raises:
            RuntimeError: it has ended; the end of its output is told.
        """
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._argv[0]} has ended: {(self._folder / 'output.log').read_text()[-500:]}")

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_ENDS_WITHIN_S)
            self._process = None


def children_of(pid: int) -> set[int]:
    """Return the children that the first thread of a process has started and not yet reaped."""
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def engines_of(own: Sequence[int]) -> set[int]:
    """Return the children of a supervisor's own processes that are none of them."""
    return set().union(*(children_of(pid) for pid in own)) - set(own)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be reaped does not."""
    with suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def is_engine(pid: int) -> bool:
    """Tell whether a process runs the engine's program, no longer that of the supervisor that started it."""
    with suppress(psutil.Error):
        return Path(psutil.Process(pid).exe()) == Path(ENGINE[0]).resolve()
    return False


def kill(pids: Iterable[int]) -> None:
    """Kill these processes and return once they are gone."""
    pids = [*pids]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline_s = time.monotonic() + _ENDS_WITHIN_S
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline_s, f"not killed: {pids}"
        time.sleep(0.0005)


def sweep(folder: Path) -> None:
    """Kill whatever still runs in a contender's folder, or has it in its environment."""
    for _ in range(5):
        if not (found := find_leftovers(folder)):
            return
        end_all(found)


def memory_bytes(pids: Iterable[int]) -> tuple[int, int]:
    """Return RSS and PSS of these processes together."""
    rss_kib = pss_kib = 0
    for pid in pids:
        fields = dict(line.split()[:2] for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
        rss_kib += int(fields["Rss:"])
        pss_kib += int(fields["Pss:"])
    return rss_kib * 1024, pss_kib * 1024


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these processes have taken so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times)
