"""Removes and measures what engines leave, however deep, however it is closed, without following a link."""

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.opening import change_mode, open_directory, opened_directory

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OURS = 0o700
#: The unit of `st_blocks`, whatever the file system's own is (stat(2)).
_BLOCK_BYTES = 512
#: What lies deeper is not measured: a path of our own making is no longer than this.
_MEASURED_DEPTH = 32
#: How many entries of a directory are listed at once.
_BATCH = 1000


class _OutOfTimeError(Exception):
    """The time for this part of the work is used up."""


def remove(place: ForeignPath, within_s: float = 2.0) -> bool:
    """Remove whatever lies there, a directory with all it holds; tell whether it is gone.

    After `within_s` it stops, to be called once more. A link is removed, and what it leads to stays.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        with opened_directory(place.parent) as folder:
            _remove_entry(folder, place.name, time.monotonic() + within_s)
    except FileNotFoundError:
        return True
    except _OutOfTimeError:
        return False
    except OSError as error:
        raise OSError(
            error.errno, os.strerror(error.errno or 0), str(place.child(str(error.filename or "")))
        ) from error
    return True


def _remove_entry(folder: int, name: str, due_s: float) -> None:
    try:
        is_directory = stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return
    if is_directory:
        _remove_directory(folder, name, due_s)
    else:
        os.unlink(name, dir_fd=folder)


# A tree can be deeper than there are descriptors, and than a path may be long. So nothing is descended into: each
# directory that is found in a directory of `top` is moved up into `top` first. No more than three are open at a time.
def _remove_directory(folder: int, name: str, due_s: float) -> None:
    with _unlocked(folder, name) as top:
        _empty(top, due_s, lambda inner: _flatten(top, inner, due_s))
    os.rmdir(name, dir_fd=folder)


def _flatten(top: int, name: str, due_s: float) -> None:
    """Remove a directory in `top`, its own directories moved up into `top`."""
    with _unlocked(top, name) as emptied:
        _empty(emptied, due_s, lambda inner: _move_up(emptied, inner, top))
    os.rmdir(name, dir_fd=top)


def _empty(folder: int, due_s: float, take_away: Callable[[str], None]) -> None:
    """Remove all files in a directory; each directory in it is taken away by its name."""
    while entries := _list(folder):
        for entry in entries:
            if time.monotonic() > due_s:
                raise _OutOfTimeError
            if entry.is_dir(follow_symlinks=False):
                take_away(entry.name)
            else:
                _unlink(folder, entry.name)


def _move_up(folder: int, name: str, top: int) -> None:
    moved = f".removed-{secrets.token_hex(8)}"
    try:
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:  # a directory that is moved must be writable itself: its `..` changes
        change_mode(folder, name, _OURS)
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise OSError(errno.EBUSY, "Another file system is mounted there", name) from error


def _unlink(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _list(folder: int) -> list["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        return list(islice(entries, _BATCH))


@contextmanager
def _unlocked(folder: int, name: str) -> Iterator[int]:
    """Yield a descriptor of a directory in which we may remove things, whatever its mode was."""
    try:
        fd = os.open(name, _DIRECTORY, dir_fd=folder)
    except PermissionError:
        change_mode(folder, name, _OURS)
        fd = os.open(name, _DIRECTORY, dir_fd=folder)
    try:
        if os.fstat(fd).st_mode & _OURS != _OURS:
            os.fchmod(fd, _OURS)
        yield fd
    finally:
        os.close(fd)


def used_bytes(place: ForeignPath, within_s: float = 5.0) -> int:
    """Return what a directory with everything below takes on the disk; what cannot be looked at counts nothing.

    What was not reached after `within_s`, or lies deeper than an engine's own files do, is left out.
    """
    total_bytes, due_s = 0, time.monotonic() + within_s
    pending = [place]
    while pending and time.monotonic() < due_s:
        current = pending.pop()
        with suppress(OSError):
            total_bytes += _measure(current, pending, due_s)
    return total_bytes


def _measure(place: ForeignPath, pending: list[ForeignPath], due_s: float) -> int:
    """Return what the entries of one directory take, and add its directories to those to be measured."""
    measured_bytes, is_deep = 0, len(place.parts) >= _MEASURED_DEPTH
    fd = open_directory(place)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if time.monotonic() > due_s:
                    break
                with suppress(OSError):
                    measured_bytes += entry.stat(follow_symlinks=False).st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False) and not is_deep:
                        pending.append(place.child(entry.name))
    finally:
        os.close(fd)
    return measured_bytes
