"""Reads Linux's /proc directly: a process's numbers in one read of 10 µs."""

import os
from contextlib import suppress
from typing import NamedTuple

_CHUNK_BYTES = 16_384


class Stat(NamedTuple):
    """What `/proc/<pid>/stat` says (proc_pid_stat(5)); `status` is the wait status, valid once `state` is dead.

    `session` is the number of the process that began its session, which may have ended since.
    """

    state: str
    ppid: int
    session: int
    started: int
    cpu_ticks: int
    rss_pages: int
    status: int

    @property
    def is_dead(self) -> bool:
        """Tell whether the process has ended; a zombie has."""
        return self.state in "ZX"


def read_stat(pid: int) -> Stat | None:
    """Return the numbers of a process; None when there is no such process or it is hidden from us."""
    content = read(f"/proc/{pid}/stat")
    return None if content is None else parse_stat(content)


def parse_stat(content: bytes) -> Stat:
    """Return the numbers in the content of `/proc/<pid>/stat`."""
    fields = content[content.rindex(b")") + 2 :].split()  # the name before may hold spaces and parentheses
    return Stat(
        state=fields[0].decode(),
        ppid=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        cpu_ticks=int(fields[11]) + int(fields[12]),
        rss_pages=int(fields[21]),
        status=int(fields[49]),
    )


def read(path: str) -> bytes | None:
    """Return a /proc file's content; None when its process is gone or may not be looked at."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    try:
        content = chunk = os.read(fd, _CHUNK_BYTES)
        while len(chunk) == _CHUNK_BYTES:
            chunk = os.read(fd, _CHUNK_BYTES)
            content += chunk
    except (ProcessLookupError, PermissionError):
        return None
    finally:
        os.close(fd)
    return content


def read_link(path: str) -> str:
    """Return what a link in /proc leads to, also if that was deleted; empty when there is none or it is hidden."""
    try:
        return os.readlink(path).removesuffix(" (deleted)")  # noqa: PTH115 a Path per process would take longer
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def entries() -> dict[int, int]:
    """Return the numbers of all processes we can see, each with the inode of its entry.

    Whoever gets the number of a dead process has an entry with another inode (proc_pid_make_inode and proc_flush_pid in
    fs/proc/base.c and fs/proc/inode.c): the listing tells the two apart without a look at either. A process may get
    another inode while it lives, when the kernel needs memory.
    """
    with os.scandir("/proc") as found:
        return {int(entry.name): entry.inode() for entry in found if entry.name.isdigit()}


def pids() -> list[int]:
    """Return the numbers of all processes we can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 it wants names only


def descriptors(pid: int) -> list[str]:
    """Return the numbers under which a process has something open; none when it is gone or hidden from us."""
    try:
        return os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 it wants names only
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def sockets(pid: int) -> set[bytes]:
    """Return the inodes of the sockets that a process has open; none when it is gone or hidden from us."""
    inodes: set[bytes] = set()
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with suppress(OSError):
                target = os.readlink(entry.path)  # noqa: PTH115 a Path per descriptor would double the time
                if target.startswith("socket:["):
                    inodes.add(target[len("socket:[") : -1].encode())
    return inodes
