"""Opens, writes and removes what lies in an engine's hands: no link is followed, nothing waits, nothing else is taken.

An engine may have put anything in the place of any file or directory of its own: a link out of its directory, a pipe
that nobody writes, a second name of a neighbour's file, a directory. So a path is never handed to the system as a
whole. Each part is opened by itself, below the descriptor of the part before it, without following a link
(`O_NOFOLLOW`) and without waiting for the other end of a pipe (`O_NONBLOCK`), and what was opened counts only if it is
a plain file with one name. All functions block and raise OSError; they belong into `EngineFiles`.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from openwa_manager.domain.foreign_path import ForeignPath

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Of a directory only what happens in it is wanted: on macOS such a descriptor keeps no disk from being ejected.
if sys.platform == "darwin":  # pragma: no cover (macOS)
    _WATCHED = os.O_EVTONLY
else:
    _WATCHED = 0
_PLAIN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: What we need ourselves of a directory and of a file; others need nothing.
_OURS, _FILE_MODE = 0o700, 0o600


@contextmanager
def opened_directory(place: ForeignPath) -> Iterator[int]:
    """Yield a descriptor of a directory in whose path no part below the root is a link."""
    fd = open_directory(place)
    try:
        yield fd
    finally:
        os.close(fd)


def open_directory(place: ForeignPath) -> int:
    """Return a descriptor of a directory in whose path no part below the root is a link."""
    return _open_directory(place.root, place.parts)


def open_to_watch(place: ForeignPath) -> int:
    """Return such a descriptor that tells what happens in the directory, and is good for nothing else."""
    return _open_directory(place.root, place.parts, _WATCHED)


def _open_directory(root: Path, parts: tuple[str, ...], flags: int = 0) -> int:
    if not parts:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)
    folder = _open_directory(root, parts[:-1])
    try:
        return os.open(parts[-1], _DIRECTORY | flags, dir_fd=folder)
    finally:
        os.close(folder)


@contextmanager
def opened(place: ForeignPath) -> Iterator[BinaryIO]:
    """Yield a plain file with one name for reading.

    Raises:
        FileNotFoundError: there is nothing.
        OSError: it cannot be read, or is something else.
    """
    with opened_directory(place.parent) as folder, os.fdopen(open_plain(folder, place, os.O_RDONLY), "rb") as file:
        yield file


@contextmanager
def opened_to_empty(place: ForeignPath) -> Iterator[int]:
    """Yield a descriptor of a plain file with one name, to be read and then emptied."""
    with opened_directory(place.parent) as folder:
        fd = open_plain(folder, place, os.O_RDWR)
        try:
            yield fd
        finally:
            os.close(fd)


def read_file(place: ForeignPath, max_bytes: int) -> bytes:
    """Return all that a plain file holds.

    Raises:
        FileNotFoundError: there is nothing.
        OSError: it cannot be read, is something else, or holds more than `max_bytes`.
    """
    with opened(place) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(place))
    return content


def glance_at(place: ForeignPath) -> os.stat_result | None:
    """Return what seems to lie there, by one call of the system where `status_of` makes three for each directory.

    A link in place of a directory is followed here, so this tells no more than that nothing is there, or that what was
    there is as it was. Whoever sees something new looks at it by `status_of`.
    """
    try:
        return os.stat("/".join((str(place.root), *place.parts)), follow_symlinks=False)  # noqa: PTH116 (half the time)
    except OSError:
        return None


def status_of(place: ForeignPath) -> os.stat_result | None:
    """Return what lies there, itself and not what a link leads to; None when nothing can be seen there."""
    try:
        with opened_directory(place.parent) as folder:
            return os.stat(place.name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def identity_of(place: ForeignPath) -> str | None:
    """Return by what this file or directory is told from all others, `<device>:<inode>`.

    None when nothing lies there, or a file without content. Raises OSError when that cannot be told.
    """
    try:
        with opened_directory(place.parent) as folder:
            status = os.stat(place.name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link in place of a directory
            return None
        raise
    is_empty = stat.S_ISREG(status.st_mode) and not status.st_size
    return None if is_empty else f"{status.st_dev}:{status.st_ino}"


def plain_status_of(place: ForeignPath) -> os.stat_result | None:
    """Return the status of a plain file; None when there is none."""
    status = status_of(place)
    return status if status is not None and stat.S_ISREG(status.st_mode) else None


def plain_statuses_in(directory: ForeignPath, names: Iterable[str]) -> dict[str, os.stat_result]:
    """Return the status of each of these that is a plain file in the directory, which is opened once."""
    found: dict[str, os.stat_result] = {}
    with suppress(OSError), opened_directory(directory) as folder:
        for name in names:
            with suppress(OSError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found[name] = status
    return found


def is_directory(place: ForeignPath) -> bool:
    """Tell whether a directory lies there, and no link to one."""
    status = status_of(place)
    return status is not None and stat.S_ISDIR(status.st_mode)


def names_in(place: ForeignPath) -> list[str]:
    """Return the names of the directories in a directory, links to such aside; none when it cannot be read."""
    with suppress(OSError), opened_directory(place) as folder, os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def make_directory(place: ForeignPath, kept: int = 1) -> None:
    """Make a directory with all above it, for us alone; whatever else lies in the place of one is removed.

    The first `kept` parts are not: there, something else is left to a person.
    """
    place.root.mkdir(mode=_OURS, parents=True, exist_ok=True)
    for depth in range(1, len(place.parts) + 1):
        part = ForeignPath(root=place.root, parts=place.parts[:depth])
        with opened_directory(part.parent) as folder:
            if depth > kept and not _is_absent_or_directory(folder, part.name):
                os.unlink(part.name, dir_fd=folder)
            with suppress(FileExistsError):
                os.mkdir(part.name, _OURS, dir_fd=folder)
            _make_usable(folder, part)


def _make_usable(folder: int, place: ForeignPath) -> None:
    """Give us back a directory of ours that was closed to us.

    Raises NotADirectoryError when it is something else.
    """
    mode = os.stat(place.name, dir_fd=folder, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory; remove what lies there", str(place))
    if mode & _OURS != _OURS:
        change_mode(folder, place.name, _OURS)


def _is_absent_or_directory(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def change_mode(folder: int, name: str, mode: int) -> None:
    """Change the mode of what lies in a directory; a link that is put in its place meanwhile leads nowhere."""
    if sys.platform == "linux":
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.chmod(f"/proc/self/fd/{fd}", mode)  # noqa: PTH101 (Linux before 6.6 has no other way to say so)
        finally:
            os.close(fd)
    else:
        os.chmod(name, mode, dir_fd=folder, follow_symlinks=False)  # pragma: no cover (macOS)


def open_plain(folder: int, place: ForeignPath, flags: int) -> int:
    """Return a descriptor of a plain file with one name in an open directory; one closed to us is opened again."""
    with ExitStack() as unless_returned:
        try:
            fd = os.open(place.name, flags | _PLAIN, _FILE_MODE, dir_fd=folder)
        except PermissionError:
            change_mode(folder, place.name, _FILE_MODE)
            fd = os.open(place.name, flags | _PLAIN, _FILE_MODE, dir_fd=folder)
        unless_returned.callback(os.close, fd)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise OSError(errno.EINVAL, "Not a plain file with one name", str(place))
        unless_returned.pop_all()
        return fd
