"""What the file system does: how it spells a path that was opened, and how long it takes to keep something."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from openwa_manager.cli.selftest.facts import Facts, spread_ms, took_s
from openwa_manager.host.files import sync_file, write_file
from openwa_manager.host.user_paths import spelled_on_disk
from openwa_manager.store.commit_cost import commit_times_s

_COMMITS, _SYNCS = 25, 25
_CONTENT = b"x" * 4096
#: How a directory is made, and how it is asked for: as it is, in other letters, with an accent of its own.
_SPELLINGS = {
    "same": ("CamelCase", "CamelCase"),
    "case": ("CamelCase", "camelcase"),
    "normal_form": ("caf\u00e9", "cafe\u0301"),
}


def path_spelling(place: Path) -> Iterator[Facts]:
    """Ask for directories by another spelling than the one they were made with, and how the disk spells them."""
    for name, (made, asked) in _SPELLINGS.items():
        (place / made).mkdir(exist_ok=True)
        yield {name: _spelled(place / made, place / asked)}
    yield {"temporary_is_private": os.path.realpath(place).startswith("/private/")}


def _spelled(made: Path, asked: Path) -> Facts:
    """Return whether it is found by the other spelling, and whether what we make of that is how it was made."""
    ours = spelled_on_disk(asked)
    return {
        "is_found": asked.exists(),
        "is_spelled_as_made": ours.name == made.name,
        "realpath_is_spelled_as_made": Path(os.path.realpath(asked)).name == made.name,
        "is_below_the_real_path": ours.parent == spelled_on_disk(made.parent),
        "spelled": ascii(ours.name),
    }


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
