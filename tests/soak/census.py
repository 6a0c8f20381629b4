"""Counts, every 100 ms, the engines of each session's directory and the memory of the daemon, while it is open."""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from openwa_manager.processes.reading import procfs

PERIOD_S = 0.1
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: What an engine that was planted by hand has in place of a launch id.
PLANTED = "PLANTED"


class Census:
    """Runs in a thread; `doubles` are moments at which processes of two launches lived in one directory."""

    def __init__(self, sessions: Path, daemon_pid: int) -> None:
        self._sessions = sessions
        self._daemon_pid = daemon_pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.doubles: list[str] = []
        self.rss: list[tuple[float, int]] = []
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            stat = procfs.read_stat(self._daemon_pid)
            if stat is not None:
                self.rss.append((time.time(), stat.rss_pages * _PAGE_BYTES))  # noqa: TID251 (compared with others)
            self._count()

    def _count(self) -> None:
        self.looks += 1
        seen: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        for name in os.listdir("/proc"):  # noqa: PTH208 (names are enough)
            if name.isdecimal() and (found := self._place_of(int(name))) is not None:
                directory, launch_id, started = found
                seen[directory][launch_id] = (int(name), started)
        for directory, launches in seen.items():
            alive = {each: place for each, place in launches.items() if _is_same(*place)}
            if len(alive) > 1:  # the first of them still lived when the last was found
                self.doubles.append(f"{directory}: {alive}")

    def _place_of(self, pid: int) -> tuple[str, str, int] | None:
        """Return the session's directory a process works in, its launch, and when it started."""
        try:
            cwd = Path(os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)"))  # noqa: PTH115 (text)
        except OSError:
            return None
        stat = procfs.read_stat(pid)
        if stat is None or stat.is_dead or not cwd.is_relative_to(self._sessions) or cwd == self._sessions:
            return None
        launch_id = _launch_of(pid)
        return None if launch_id is None else (cwd.relative_to(self._sessions).parts[0], launch_id, stat.started)


def _is_same(pid: int, started: int) -> bool:
    stat = procfs.read_stat(pid)
    return stat is not None and not stat.is_dead and stat.started == started


def _launch_of(pid: int) -> str | None:
    """Return the launch of a process, which one that has cleaned its environment has among its arguments."""
    words = (procfs.read(f"/proc/{pid}/environ") or b"") + (procfs.read(f"/proc/{pid}/cmdline") or b"")
    named: Mapping[bytes, bytes] = dict(word.partition(b"=")[::2] for word in words.split(b"\0"))
    for name in (b"OPENWA_MANAGER_LAUNCH_ID", b"launch"):
        if name in named:
            return named[name].decode()
    return PLANTED if PLANTED.encode() in named else None
