"""Puts files where engines could have put something else: in one step, and never through a link."""

import errno
import os
from contextlib import suppress

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.files import sync_file
from openwa_manager.host.foreign.opening import make_directory, open_plain, opened_directory
from openwa_manager.host.foreign.trees import remove

#: What opening something else than a plain file fails with.
_NOT_PLAIN = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.EINVAL, errno.EOPNOTSUPP})


def write_file(place: ForeignPath, content: bytes, *, is_durable: bool = True) -> None:
    """Make `content` all that lies there, whole or not at all, readable by us only; what lay there is replaced.

    A durable file is on the disk before it takes its place. Raises OSError when it cannot be written.
    """
    unfinished = place.sibling(f".{place.name}.new")
    remove(unfinished)
    with opened_directory(place.parent) as folder:
        fd = open_plain(folder, unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                if is_durable:
                    sync_file(file.fileno())
            _rename(folder, unfinished.name, folder, place)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(unfinished.name, dir_fd=folder)
            raise


def move(source: ForeignPath, target: ForeignPath) -> None:
    """Move a file to where something else may lie, which is replaced."""
    with opened_directory(source.parent) as from_folder, opened_directory(target.parent) as to_folder:
        _rename(from_folder, source.name, to_folder, target)


def _rename(from_folder: int, name: str, to_folder: int, target: ForeignPath) -> None:
    try:
        os.rename(name, target.name, src_dir_fd=from_folder, dst_dir_fd=to_folder)
    except (IsADirectoryError, NotADirectoryError):
        remove(target)
        os.rename(name, target.name, src_dir_fd=from_folder, dst_dir_fd=to_folder)


def open_for_append(place: ForeignPath) -> int:
    """Return a descriptor of a plain file that is appended to; whatever else lies in its place is removed."""
    make_directory(place.parent)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with opened_directory(place.parent) as folder:
        try:
            fd = open_plain(folder, place, flags)
        except OSError as error:
            if error.errno not in _NOT_PLAIN:
                raise
            remove(place)
            fd = open_plain(folder, place, flags | os.O_EXCL)
    os.set_blocking(fd, True)
    return fd


def open_new(place: ForeignPath) -> int:
    """Return a descriptor of a new, empty file; whatever lay in its place is removed."""
    remove(place)
    with opened_directory(place.parent) as folder:
        return open_plain(folder, place, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
