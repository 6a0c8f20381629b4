"""Tells of a process whether it is an engine's: by its mark, lock, ancestors, session, environment and arguments."""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import psutil

from openwa_manager.domain.session.session import LAUNCH_ID_VARIABLE, Identity, SessionId
from openwa_manager.processes import marks
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc, system_libproc
from openwa_manager.processes.reading.identity import identity_of
from openwa_manager.processes.reading.ownership import launch_by_lock
from openwa_manager.processes.reading.places import working_dir_of

_LAUNCH_ID_ENTRY = f"{LAUNCH_ID_VARIABLE}=".encode()


class EngineProcesses:
    """Knows the engines that live, and the words that only their programs have among their arguments."""

    def __init__(self, live: Callable[[], Mapping[SessionId, Identity]], scripts: Collection[str]) -> None:
        self._live = live
        self._scripts = frozenset(scripts)

    def includes(self, pid: int) -> bool:
        """Tell whether this process is an engine, was started by one, or runs an engine's program.

        So is one of our own user that lets nobody look at it. Blocks for about 100 µs.
        """
        if pid == os.getpid():
            return False
        own = _Look(pid)
        return (
            own.is_hidden
            or own.is_marked
            or own.has_launch_id
            or launch_by_lock(pid) is not None
            or self._runs_script(own)
            or self._descends_from_engine(pid)
        )

    def _runs_script(self, look: "_Look") -> bool:
        words = look.arguments
        return any(word in self._scripts or look.full_path(word) in self._scripts for word in words)

    def _descends_from_engine(self, pid: int) -> bool:
        """Tell whether an ancestor is an engine or a child that left our session, or the session is an engine's."""
        engines = {identity.pid: identity for identity in self._live().values()}
        own_session = os.getsid(0)
        for each, parent, session in ancestors(pid):
            if session in engines or (each in engines and identity_of(each) == engines[each]):
                return True
            # All orphans come to process 1, also those of whoever was let into its container.
            if parent == os.getpid() != 1 and session != own_session:
                return True
        return False


class _Look:
    """What one process lets be seen of it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        if sys.platform == "linux":
            environment = procfs.read(f"/proc/{pid}/environ")
            self.arguments = _words(procfs.read(f"/proc/{pid}/cmdline") or b"")
        else:  # pragma: no cover (macOS)
            environment, self.arguments = look_by_libproc(system_libproc(), pid)
        self.is_marked = marks.read(pid) is not None
        self.has_launch_id = any(entry.startswith(_LAUNCH_ID_ENTRY) for entry in (environment or b"").split(b"\0"))
        #: Root's processes show theirs to root only; one of our own user that shows none has something to hide.
        self.is_hidden = environment is None and (sys.platform != "linux" or self._is_of_our_user())

    def full_path(self, word: str) -> str:
        """Return the path that an argument names, seen from where the process works; the word where it names none."""
        if word.startswith(("-", "/")) or "/" not in word:
            return word
        directory = working_dir_of(self._pid)
        return os.path.normpath(f"{directory}/{word}") if directory else word

    def _is_of_our_user(self) -> bool:
        try:
            status = Path(f"/proc/{self._pid}/status").read_text("utf-8", "replace")
        except OSError:  # it has ended
            return True
        uids = next((line.split()[1:3] for line in status.splitlines() if line.startswith("Uid:")), [])
        return str(os.geteuid()) in uids


def ancestors(pid: int) -> Iterator[tuple[int, int, int]]:
    """Yield a process and its ancestors, up to us or the first of all: each one's number, parent and session."""
    seen: set[int] = set()
    while pid not in {0, os.getpid()} | seen:
        seen.add(pid)
        stat = _relation(pid)
        if stat is None:
            return
        yield pid, *stat
        pid = stat[0]


def _relation(pid: int) -> tuple[int, int] | None:
    if sys.platform == "linux":
        stat = procfs.read_stat(pid)
        return None if stat is None else (stat.ppid, stat.session)
    else:  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return _relation_by_psutil(pid)


def _relation_by_psutil(pid: int) -> tuple[int, int] | None:  # pragma: no cover (macOS)
    try:
        return psutil.Process(pid).ppid(), os.getsid(pid)
    except (psutil.Error, OSError):
        return None


def _words(command_line: bytes) -> list[str]:
    return [os.fsdecode(word) for word in command_line.removesuffix(b"\0").split(b"\0")]


def look_by_libproc(libproc: Libproc, pid: int) -> tuple[bytes | None, list[str]]:
    """Return a process's environment and its arguments as macOS tells them.

    Of many an admin's programs it tells no environment (/usr/bin/curl), which says nothing of them. None: it has ended,
    or it is our own user's and tells nothing at all.
    """
    strings = libproc.strings(pid)
    if strings is None:
        return (None if libproc.is_gone(pid) or _is_ours_by_libproc(libproc, pid) else b""), []
    return strings.environment, _words(strings.command_line)


def _is_ours_by_libproc(libproc: Libproc, pid: int) -> bool:
    info = libproc.bsd_info(pid)
    return info is not None and info.uid == os.geteuid()
