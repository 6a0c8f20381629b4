"""Reads the process table in one pass: who descends from whom, and which processes are of which launch."""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import psutil

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, LaunchId
from openwa_manager.host.user_paths import spelled_on_disk
from openwa_manager.processes import marks
from openwa_manager.processes.locks import launch_in, reserve_lock_fd
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc, system_libproc
from openwa_manager.processes.reading.darwin.parsing import ProcessStrings
from openwa_manager.processes.reading.identity import boot_id, identity_of
from openwa_manager.processes.reading.places import roots_of

_LAUNCH_ID_ENTRY = f"{LAUNCH_ID_VARIABLE}=".encode()
_BROWSER_ARGUMENT = b"--user-data-dir="
#: A longer path names no directory (PATH_MAX of Linux; of macOS it is 1,024), whatever an engine's process says.
_PROFILE_MAX_CHARS = 4096

T = TypeVar("T")


class Process(NamedTuple):
    """One live process; `cpu_s` is the processor time it used so far.

    `rss_bytes` is what it holds in memory: on macOS its physical footprint, since compressed pages are not resident.
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
    """What tells whose a process is, as far as it may be looked at.

    `launch_id` is in its environment, or where that names none (macOS hides it) in the lock that it holds;
    `user_data_dir` (a browser's profile) is among its arguments; `lock` is the file it has open under the number that
    is reserved for the lock. `is_ours`: it runs as our own user.
    """

    launch_id: LaunchId | None = None
    user_data_dir: Path | None = None
    lock: str = ""
    command_line: bytes = b""
    is_ours: bool = True

    @property
    def arguments(self) -> list[str]:
        """Return what it was started with."""
        return [os.fsdecode(each) for each in self.command_line.removesuffix(b"\0").split(b"\0")]


class ProcessTable:
    """The live processes of one moment; zombies are not among them."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._processes = {process.pid: process for process in processes}
        self._children: defaultdict[int, list[Process]] = defaultdict(list)
        self._of_session: defaultdict[int, list[Process]] = defaultdict(list)
        for process in self._processes.values():
            self._children[process.ppid].append(process)
            self._of_session[process.session].append(process)

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
        return self._of_session.get(leader.pid, [])


class TaggedProcessTable(ProcessTable):
    """A table that also knows the tags of the processes; what is asked of one session takes no time of the others."""

    def __init__(self, processes: Iterable[Process], tag_of: Callable[[int], EngineTag | None]) -> None:
        super().__init__(processes)
        # What shares its parent's session is found below it: only orphans and whoever began a session are asked.
        self._marks = {each.pid: mark for each in self._session_heads() if (mark := marks.read(each.pid)) is not None}
        self._of_mark: defaultdict[int, list[Process]] = defaultdict(list)
        for pid, mark in self._marks.items():
            self._of_mark[mark].append(self._processes[pid])
        self._of_launch: defaultdict[LaunchId, list[Process]] = defaultdict(list)
        self._browsers: defaultdict[str, list[tuple[EngineTag, Path, Process]]] = defaultdict(list)
        self._holders: defaultdict[str, list[tuple[EngineTag, Process]]] = defaultdict(list)
        for process in self:
            tag = tag_of(process.pid)
            if tag is not None and tag.is_ours:
                self._file(process, tag)
        self._held_names = {place.rpartition("/")[2] for place in self._holders}
        tagged = {each.pid for carriers in self._of_launch.values() for each in carriers}
        self._strays = [
            each
            for each in self.children(os.getpid())
            if each.pid not in tagged and not marks.is_whole(self._marks.get(each.pid, 0))
        ]

    def _file(self, process: Process, tag: EngineTag) -> None:
        if tag.launch_id:
            self._of_launch[tag.launch_id].append(process)
        if tag.user_data_dir:
            for name in {*tag.user_data_dir.parts}:  # not by each directory above: there are as many as an engine likes
                self._browsers[name].append((tag, tag.user_data_dir, process))
        if tag.lock:
            self._holders[tag.lock].append((tag, process))

    def of_launch(self, launch_id: LaunchId) -> list[Process]:
        """Return our own user's processes of this launch, as their environment or their lock tells."""
        return self._of_launch.get(launch_id, [])

    def of_mark(self, mark: int) -> list[Process]:
        """Return the processes that have this mark, and whose parents are not in their session."""
        return self._of_mark.get(mark, [])

    def strays(self) -> list[Process]:
        """Return our children that neither their environment, nor their lock, nor their mark says a launch of."""
        return self._strays

    def in_directory(self, directory: Path, launch_id: LaunchId | None = None) -> list[Process]:
        """Return our own user's processes whose `--user-data-dir=` lies inside this directory.

        With `launch_id` those of another launch are left out.
        """
        if not self._browsers:
            return []
        roots = roots_of(directory)
        found = (each for name in {Path(root).parts[-1] for root in roots} for each in self._browsers.get(name, ()))
        inside = ((tag, each) for tag, profile, each in found if any(map(profile.is_relative_to, roots)))
        return list(
            {each.pid: each for tag, each in inside if launch_id is None or tag.launch_id in (None, launch_id)}.values()
        )

    def has_holders(self, names: Collection[str]) -> bool:
        """Tell whether one of our own user's processes may hold a lock whose file has one of these names."""
        return any(name in self._held_names for name in names)

    def holding(self, locks: Collection[str], launch_id: LaunchId) -> list[Process]:
        """Return our own user's processes that hold one of these locks under the reserved number.

        Those of another launch than this are left out; one that names none has cleaned its environment, and the lock
        is of an earlier version.
        """
        found = (each for lock in {*locks} for each in self._holders.get(lock, ()))
        return [process for tag, process in found if tag.launch_id in (None, launch_id)]


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


def list_processes() -> Mapping[int, int]:
    """Return the number of each process we can see, with what tells it from a later one with that number.

    Empty where the system tells of all processes at once. Blocks for less than 1 µs per process.
    """
    if sys.platform == "linux":
        return procfs.entries()
    else:  # pragma: no cover (other systems)  # noqa: RET505 mypy understands only this form
        return {}


def read_processes(pids: Collection[int] | None = None) -> list[Process]:
    """Return every live process we can see but our own, which is not to be measured or ended.

    Those without one of these numbers, if there are any given, may be left out. Blocks for about 10 µs per process on
    Linux.
    """
    return [process for process in _processes(pids) if process.pid != os.getpid()]


def read_tagged_processes() -> TaggedProcessTable:
    """Return all live processes and their tags; blocks for about 40 µs per process on Linux."""
    return TaggedProcessTable(read_processes(), tag_of)


def tag_of(pid: int) -> EngineTag | None:
    """Return the tag of a process; None when it is dead or hidden from us."""
    if sys.platform == "linux":
        return _tag_of_procfs(pid)
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return tag_by_libproc(system_libproc(), pid)
    else:  # pragma: no cover (other systems)
        return tag_by_psutil(pid)


def _processes(pids: Collection[int] | None) -> Iterator[Process]:
    if sys.platform == "linux":
        return _processes_of_procfs(procfs.pids() if pids is None else pids)
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return processes_by_libproc(system_libproc())
    else:  # pragma: no cover (other systems)
        return processes_by_psutil()


def _processes_of_procfs(pids: Iterable[int]) -> Iterator[Process]:
    tick_s, page_bytes = 1 / os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for pid in pids:
        stat = procfs.read_stat(pid)
        if stat and not stat.is_dead:
            cpu_s, rss_bytes = stat.cpu_ticks * tick_s, stat.rss_pages * page_bytes
            yield Process(pid, stat.ppid, stat.started, cpu_s, rss_bytes, stat.session)


def _tag_of_procfs(pid: int) -> EngineTag | None:
    # A Path per process would double the scan's time.
    with suppress(FileNotFoundError):
        is_ours = os.stat(f"/proc/{pid}").st_uid == os.geteuid()  # noqa: PTH116
        environment = (procfs.read(f"/proc/{pid}/environ") or b"").split(b"\0")
        return _tag(
            pid,
            environment,
            command_line=procfs.read(f"/proc/{pid}/cmdline") or b"",
            lock=procfs.read_link(f"/proc/{pid}/fd/{reserve_lock_fd()}"),
            is_ours=is_ours,
        )
    return None


def processes_by_libproc(libproc: Libproc) -> Iterator[Process]:
    """Return the live processes that macOS tells us of: our own user's, and all if we are root."""
    for pid in libproc.pids():
        info = libproc.task_info(pid)
        if info is not None:
            footprint_bytes = libproc.footprint_bytes(pid)
            yield Process(
                pid,
                info.who.ppid,
                info.who.started,
                libproc.cpu_s(info.cpu_time),
                info.resident_bytes if footprint_bytes is None else footprint_bytes,
                _session_of(pid),
            )


def tag_by_libproc(libproc: Libproc, pid: int) -> EngineTag | None:
    """Return the tag of a process as macOS tells it; None also when it is another user's, and we are not root."""
    info = libproc.bsd_info(pid)
    if info is None or info.is_dead:
        return None
    strings = libproc.strings(pid) or ProcessStrings(b"", b"")  # none while a program is put in another's place
    lock = libproc.open_file(pid, reserve_lock_fd())
    return _tag(
        pid,
        strings.environment.split(b"\0"),
        command_line=strings.command_line,
        lock="" if lock is None else lock.path,
        is_ours=info.uid == os.geteuid(),
    )


def _session_of(pid: int) -> int:
    """Return the session's number, which macOS tells of everybody's processes (getsid of bsd/kern/kern_prot.c)."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def processes_by_psutil() -> Iterator[Process]:
    """Return the live processes as psutil sees them, for other systems."""
    for process in psutil.process_iter(["ppid", "status", "cpu_times", "memory_info"]):
        identity, info = identity_of(process.pid), process.info
        if identity and info["status"] != psutil.STATUS_ZOMBIE:
            cpu_s = sum(info["cpu_times"][:2]) if info["cpu_times"] else 0.0  # None: not ours to look at
            rss_bytes = info["memory_info"].rss if info["memory_info"] else 0
            yield Process(process.pid, info["ppid"], identity.started, cpu_s, rss_bytes)


def tag_by_psutil(pid: int) -> EngineTag | None:
    """Return the tag of a process as psutil sees it, for other systems."""
    try:
        process = psutil.Process(pid)
        is_ours = process.uids().effective == os.geteuid()
        environment, arguments = process.environ(), process.cmdline()
        locks = [file.path for file in process.open_files() if file.fd == reserve_lock_fd()]
    except psutil.Error:
        return None
    return _tag(
        pid,
        (os.fsencode(f"{name}={value}") for name, value in environment.items()),
        command_line=b"\0".join(map(os.fsencode, arguments)),
        lock="".join(locks),
        is_ours=is_ours,
    )


def _tag(pid: int, environment: Iterable[bytes], *, command_line: bytes, lock: str, is_ours: bool) -> EngineTag:
    # What names a launch itself may have taken a lock over that a later launch has written its name into since.
    launch_id = _value(environment, _LAUNCH_ID_ENTRY) or (is_ours and lock and launch_by_place(pid, lock))
    return EngineTag(
        launch_id=LaunchId(launch_id) if launch_id else None,
        user_data_dir=_profile_of(command_line, is_ours=is_ours),
        lock=lock,
        command_line=command_line,
        is_ours=is_ours,
    )


def launch_by_place(pid: int, place: str) -> LaunchId | None:
    """Return the launch that a session's lock names which this process has open; None if its mark is another launch's.

    A lock can be opened by whoever may, and its place be feigned. A mark that was lowered says nothing.
    """
    launch_id = launch_in(place)
    if launch_id is None:
        return None
    mark = marks.read(pid)
    is_of_another = mark is not None and marks.is_whole(mark) and mark != marks.mark_of(launch_id)
    return None if is_of_another else launch_id


def _profile_of(command_line: bytes, *, is_ours: bool) -> Path | None:
    """Return a browser's profile; of one that is not ours it is not looked up, for its user may keep it from us."""
    directory = _value(command_line.split(b"\0"), _BROWSER_ARGUMENT)
    if not directory or not directory.startswith("/") or len(directory) > _PROFILE_MAX_CHARS:
        return None
    return spelled_on_disk(Path(directory)) if is_ours else Path(directory)


def _value(entries: Iterable[bytes], prefix: bytes) -> str | None:
    return next((os.fsdecode(entry[len(prefix) :]) for entry in entries if entry.startswith(prefix)), None)
