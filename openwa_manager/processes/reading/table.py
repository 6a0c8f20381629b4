"""Reads the process table in one pass: who descends from whom, and which processes are of which launch."""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import psutil

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, LaunchId
from openwa_manager.processes import marks
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.identity import boot_id, identity_of

_LAUNCH_ID_ENTRY = f"{LAUNCH_ID_VARIABLE}=".encode()
_BROWSER_ARGUMENT = b"--user-data-dir="

T = TypeVar("T")


class Process(NamedTuple):
    """One live process; `cpu_s` is the processor time it used so far.

    `session` is the number of the process that began its session of processes; 0 where the system does not tell.
    """

    pid: int
    ppid: int
    started: int
    cpu_s: float
    rss_bytes: int
    session: int = 0

    @property
    def identity(self) -> Identity:
        """Return the process's identity."""
        return Identity(boot_id=boot_id(), pid=self.pid, started=self.started)


class EngineTag(NamedTuple):
    """What tells whose a process is: the launch id in its environment, the profile directory in its arguments."""

    launch_id: LaunchId | None
    user_data_dir: Path | None


class ProcessTable:
    """The live processes of one moment; zombies are not among them."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._processes = {process.pid: process for process in processes}
        self._children: defaultdict[int, list[Process]] = defaultdict(list)
        for process in self._processes.values():
            self._children[process.ppid].append(process)

    def __iter__(self) -> Iterator[Process]:
        return iter(self._processes.values())

    def descendants(self, roots: Iterable[Identity]) -> list[Process]:
        """Return those of the roots that live, and all their descendants, each once."""
        found: dict[int, Process] = {}
        pending = [process for root in roots if (process := self._processes.get(root.pid)) and process.identity == root]
        while pending:
            process = pending.pop()
            if process.pid not in found:
                found[process.pid] = process
                pending.extend(self._children.get(process.pid, ()))
        return list(found.values())

    def children(self, pid: int) -> list[Process]:
        """Return the live children of a process."""
        return self._children.get(pid, [])

    def _session_heads(self) -> Iterator[Process]:
        for process in self:
            parent = self._processes.get(process.ppid)
            if parent is None or parent.session != process.session:
                yield process

    def in_session(self, leader: Identity) -> list[Process]:
        """Return all in the session that this process began; nobody once it is dead: its number may be another's."""
        begun = self._processes.get(leader.pid)
        if begun is None or begun.identity != leader:
            return []
        return [process for process in self if process.session == leader.pid]


class TaggedProcessTable(ProcessTable):
    """A table that also knows the tags of the processes of our own user."""

    def __init__(self, processes: Iterable[Process], tag_of: Callable[[int], EngineTag | None]) -> None:
        super().__init__(processes)
        # What shares its parent's session is found below it: only orphans and whoever began a session are asked.
        self._marks = {each.pid: mark for each in self._session_heads() if (mark := marks.read(each.pid)) is not None}
        self._of_launch: defaultdict[LaunchId, list[Process]] = defaultdict(list)
        self._in_directories: list[tuple[Path, Process]] = []
        for process in self:
            tag = tag_of(process.pid)
            if tag and tag.launch_id:
                self._of_launch[tag.launch_id].append(process)
            if tag and tag.user_data_dir:
                self._in_directories.append((tag.user_data_dir, process))

    def of_launch(self, launch_id: LaunchId) -> list[Process]:
        """Return the processes that carry this launch id in their environment."""
        return self._of_launch.get(launch_id, [])

    def of_mark(self, mark: int) -> list[Process]:
        """Return the processes that have this mark, and whose parents are not in their session."""
        return [process for process in self if self._marks.get(process.pid) == mark]

    def mark_of(self, process: Process) -> int | None:
        """Return the mark of a process whose parent is not in its session; None where it has none."""
        return self._marks.get(process.pid)

    def is_tagged(self, process: Process) -> bool:
        """Tell whether the process carries a launch id."""
        return any(process in carriers for carriers in self._of_launch.values())

    def in_directory(self, directory: Path) -> list[Process]:
        """Return the processes whose `--user-data-dir=` lies inside this directory."""
        real = Path(os.path.realpath(directory))
        return [process for user_data_dir, process in self._in_directories if user_data_dir.is_relative_to(real)]


class CoalescedRead(Generic[T]):
    """A blocking read whose result is shared by all who asked before it began.

    A caller never gets a result older than its call; who arrives while one read runs shares the next one.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._reading = asyncio.Lock()
        self._begun_count = 0
        self._newest: tuple[int, T] | None = None

    async def get(self) -> T:
        """Return a result that was read after this call."""
        begun_before = self._begun_count
        async with self._reading:
            if self._newest is None or self._newest[0] <= begun_before:
                self._begun_count += 1
                number = self._begun_count
                self._newest = (number, await asyncio.to_thread(self._read))
            return self._newest[1]


def read_processes() -> list[Process]:
    """Return every live process we can see but our own, which is not to be measured or ended.

    Blocks for about 10 µs per process on Linux.
    """
    processes = _processes_of_procfs() if sys.platform == "linux" else processes_by_psutil()
    return [process for process in processes if process.pid != os.getpid()]


def read_tagged_processes() -> TaggedProcessTable:
    """Return all live processes and the tags of our own user's; blocks for about 30 µs per process on Linux."""
    return TaggedProcessTable(read_processes(), tag_of)


def tag_of(pid: int) -> EngineTag | None:
    """Return the tag of a process of our own user; None when it has none, is dead, or is another user's."""
    return _tag_of_procfs(pid) if sys.platform == "linux" else tag_by_psutil(pid)


def _processes_of_procfs() -> Iterator[Process]:
    tick_s, page_bytes = 1 / os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for pid in procfs.pids():
        stat = procfs.read_stat(pid)
        if stat and not stat.is_dead:
            cpu_s, rss_bytes = stat.cpu_ticks * tick_s, stat.rss_pages * page_bytes
            yield Process(pid, stat.ppid, stat.started, cpu_s, rss_bytes, stat.session)


def _tag_of_procfs(pid: int) -> EngineTag | None:
    with suppress(FileNotFoundError):
        if os.stat(f"/proc/{pid}").st_uid == os.geteuid():  # noqa: PTH116 a Path per process would double the scan's time
            entries = (procfs.read(f"/proc/{pid}/environ") or b"").split(b"\0")
            return _tag(entries, (procfs.read(f"/proc/{pid}/cmdline") or b"").split(b"\0"))
    return None


def processes_by_psutil() -> Iterator[Process]:
    """Return the live processes as psutil sees them, for systems without /proc."""
    for process in psutil.process_iter(["ppid", "status", "cpu_times", "memory_info"]):
        identity, info = identity_of(process.pid), process.info
        if identity and info["status"] != psutil.STATUS_ZOMBIE:
            cpu_s = sum(info["cpu_times"][:2]) if info["cpu_times"] else 0.0  # None: not ours to look at
            rss_bytes = info["memory_info"].rss if info["memory_info"] else 0
            yield Process(process.pid, info["ppid"], identity.started, cpu_s, rss_bytes)


def tag_by_psutil(pid: int) -> EngineTag | None:
    """Return the tag of a process of our own user, for systems without /proc."""
    try:
        process = psutil.Process(pid)
        if process.uids().effective != os.geteuid():
            return None
        environment, arguments = process.environ(), process.cmdline()
    except psutil.Error:
        return None
    entries = (os.fsencode(f"{name}={value}") for name, value in environment.items())
    return _tag(entries, map(os.fsencode, arguments))


def _tag(environment: Iterable[bytes], arguments: Iterable[bytes]) -> EngineTag | None:
    launch_id = _value(environment, _LAUNCH_ID_ENTRY)
    directory = _value(arguments, _BROWSER_ARGUMENT)
    if launch_id is None and directory is None:
        return None
    return EngineTag(
        launch_id=LaunchId(launch_id) if launch_id else None,
        user_data_dir=Path(os.path.realpath(directory)) if directory and directory.startswith("/") else None,
    )


def _value(entries: Iterable[bytes], prefix: bytes) -> str | None:
    return next((os.fsdecode(entry[len(prefix) :]) for entry in entries if entry.startswith(prefix)), None)
