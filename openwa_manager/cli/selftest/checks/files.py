"""What the file system does: how it spells a path that was opened, and how long it takes to keep something."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from openwa_manager.cli.selftest.facts import Facts, error_name, spread_ms, took_s
from openwa_manager.host.files import sync_file, write_file
from openwa_manager.store.commit_cost import commit_times_s

_COMMITS, _SYNCS = 25, 25
_CONTENT = b"x" * 4096
#: The same letter in the two ways of Unicode: composed, and as a letter and its accent.
_COMPOSED, _DECOMPOSED = "caf\u00e9", "cafe\u0301"


def path_spelling(place: Path) -> Iterator[Facts]:
    """Open files by another spelling than the one they were made with, and see how the system spells them then."""
    for name, made, asked in (
        ("case", "CamelCase", "camelcase"),
        ("normal_form", _COMPOSED, _DECOMPOSED),
    ):
        directory = place / made
        directory.mkdir()
        yield {name: _spelled(directory, place / asked)}
    yield {"made": {"case": "CamelCase", "normal_form": ascii(_COMPOSED)}}
    yield {"temporary_is_private": os.path.realpath(place).startswith("/private/")}


def _spelled(made: Path, asked: Path) -> Facts:
    try:
        fd = os.open(asked, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return {"is_found": False, "error": error_name(error)} if asked.name == made.name else {"is_found": False}
    try:
        told = _path_of(fd)
    finally:
        os.close(fd)
    return {
        "is_found": True,
        "spelled": ascii(told.name),
        "realpath_spelled": ascii(Path(os.path.realpath(asked)).name),
        "parent_is_realpath": str(told.parent) == os.path.realpath(made.parent),
    }


def _path_of(fd: int) -> Path:
    """Return where an open file lies, as the system spells it."""
    if sys.platform == "darwin":  # pragma: no cover (macOS)
        return Path(os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    else:  # noqa: RET505 mypy understands only this form
        return Path(f"/proc/self/fd/{fd}").readlink()


def commits(place: Path) -> Iterator[Facts]:
    """Measure what one small transaction costs in the daemon's database, with and without the drive's cache."""
    for name, has_full_fsync in (("fullfsync", True), ("fsync", False)):
        yield {name: spread_ms(commit_times_s(place / name, _COMMITS, has_full_fsync=has_full_fsync))}


def syncs(place: Path) -> Iterator[Facts]:
    """Measure what it costs to have a small file on the disk, by each way there is, and by our own."""
    path = place / "file"
    yield {"write_file": spread_ms([took_s(lambda: write_file(path, _CONTENT)) for _ in range(_SYNCS)])}
    fd = os.open(path, os.O_RDWR)
    try:
        for name, sync in (("sync_file", sync_file), ("fsync", partial(sync_file, full_sync=None))):
            yield {name: spread_ms([took_s(partial(_written, fd, sync)) for _ in range(_SYNCS)])}
    finally:
        os.close(fd)


def _written(fd: int, sync: Callable[[int], object]) -> None:
    os.pwrite(fd, _CONTENT, 0)
    sync(fd)
