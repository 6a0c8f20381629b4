"""Finds the processes that work in a directory or name a place in it, in one cheap pass over all of them."""

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from openwa_manager.host.user_paths import spelled_on_disk
from openwa_manager.processes.reading import procfs
from openwa_manager.processes.reading.darwin.libproc import Libproc, system_libproc


class ProcessPlaces(NamedTuple):
    """What one process says of places, as far as it may be looked at: its working directory and its arguments."""

    pid: int
    working_dir: str
    command_line: bytes


def read_places(left_out: Collection[int] = ()) -> list[ProcessPlaces]:
    """Return the places of every process but our own and those with these numbers, of any user.

    Blocks for about 15 µs per process on Linux, a seventh of what `read_tagged_processes` takes: a launch waits for it.
    """
    return list(_places({os.getpid(), *left_out}))


def read_places_of(pids: Iterable[int]) -> list[ProcessPlaces]:
    """Return the places of these processes, without those that are gone; blocks for about 15 µs for each on Linux."""
    wanted = frozenset(pids)
    if sys.platform == "linux":
        return list(_places_of_procfs(wanted))
    else:  # pragma: no cover (other systems)  # noqa: RET505 mypy understands only this form
        return [each for each in _places(()) if each.pid in wanted]


def find_about(places: Iterable[ProcessPlaces], directory: Path) -> list[int]:
    """Return the processes that work in this directory or name a place in it in their arguments."""
    roots = roots_of(directory)
    texts = [os.fsencode(root) for root in roots]
    names = re.compile(b"|".join(rb"(?:^|[\0=:, ])%s(?:[/\0]|$)" % re.escape(text) for text in texts))
    return [
        each.pid
        for each in places
        if any(each.working_dir == root or each.working_dir.startswith(f"{root}/") for root in roots)
        or (any(text in each.command_line for text in texts) and names.search(each.command_line))  # rarely the second
    ]


def roots_of(directory: Path) -> set[str]:
    """Return by what names a session's directory goes; a link in its place is followed once.

    Neither it nor what lies there is looked at, which may take for ever: an engine can mount a file system there.
    """
    real = spelled_on_disk(directory.parent) / directory.name
    roots = {str(directory.absolute()), str(real)}
    with suppress(OSError):  # it is no link
        roots.add(os.path.normpath(real.parent / real.readlink()))
    return roots


def working_dir_of(pid: int) -> str:
    """Return where a process works, also if that was removed; empty when it is gone or hidden."""
    if sys.platform == "linux":
        return procfs.read_link(f"/proc/{pid}/cwd")
    elif sys.platform == "darwin":  # pragma: no cover (macOS)  # noqa: RET505 mypy understands only this form
        return system_libproc().working_dir(pid)
    else:  # pragma: no cover (other systems)
        with suppress(psutil.Error):
            return psutil.Process(pid).cwd()
        return ""


def open_paths_of(pid: int) -> Iterator[str]:
    """Yield the files that a process has open, under whatever number; none when it is gone or hidden."""
    if sys.platform == "linux":
        for number in procfs.descriptors(pid):
            yield procfs.read_link(f"/proc/{pid}/fd/{number}")
    elif sys.platform == "darwin":  # pragma: no cover (macOS)
        yield from (each.path for each in system_libproc().open_files(pid))
    else:  # pragma: no cover (other systems)
        with suppress(psutil.Error):
            yield from (each.path for each in psutil.Process(pid).open_files())


def _places(left_out: Collection[int]) -> Iterator[ProcessPlaces]:
    if sys.platform == "linux":
        yield from _places_of_procfs(pid for pid in procfs.pids() if pid not in left_out)
    elif sys.platform == "darwin":  # pragma: no cover (macOS)
        yield from (each for each in places_by_libproc(system_libproc()) if each.pid not in left_out)
    else:  # pragma: no cover (other systems)
        yield from (each for each in places_by_psutil() if each.pid not in left_out)


def _places_of_procfs(pids: Iterable[int]) -> Iterator[ProcessPlaces]:
    for pid in pids:
        command_line = procfs.read(f"/proc/{pid}/cmdline")
        if command_line is not None:
            yield ProcessPlaces(pid, working_dir_of(pid), command_line)


def places_by_libproc(libproc: Libproc) -> Iterator[ProcessPlaces]:
    """Return the places as macOS tells them: of our own user's processes, and of all if we are root."""
    for pid in libproc.pids():
        strings, working_dir = libproc.strings(pid), libproc.working_dir(pid)
        if strings is not None or working_dir:
            yield ProcessPlaces(pid, working_dir, b"" if strings is None else strings.command_line)


def places_by_psutil() -> Iterator[ProcessPlaces]:
    """Return the places as psutil sees them, for other systems."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        arguments = process.info["cmdline"] or ()  # None: not ours to look at
        yield ProcessPlaces(process.pid, process.info["cwd"] or "", b"\0".join(map(os.fsencode, arguments)))
