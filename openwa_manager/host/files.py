"""Writes a file in one step: whoever reads it finds the old content or the new one, never a part of it."""

import errno
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

#: macOS: has the drive write what it keeps in its own cache, too, which fsync(2) does not there (sys/fcntl.h).
F_FULLFSYNC = 51
_FULL_SYNC = F_FULLFSYNC if sys.platform == "darwin" else None
#: What a file system answers that has no such command, as those of a network: XNU hands it on as an ioctl.
_UNKNOWN = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS})


def sync_file(number: int, full_sync: int | None = _FULL_SYNC, ask: Callable[[int, int], object] = fcntl.fcntl) -> None:
    """Return once all that was written to this open file would outlast a power cut; blocks for as long as that takes.

    `full_sync` is the command of fcntl(2) for that, None where fsync(2) does it. A file system that does not know the
    command is given fsync, as SQLite does (os_unix.c, full_fsync).

    Raises OSError when it cannot be written.
    """
    if full_sync is not None:
        try:
            ask(number, full_sync)
        except OSError as error:
            if error.errno not in _UNKNOWN:
                raise
        else:
            return
    os.fsync(number)  # noqa: TID251 the one place


def sync_all(folder: Path) -> None:
    """Return once all that was written, to any file of this host, would outlast a power cut; blocks, maybe for minutes.

    It is for many files at once, each of which would cost a write of its own; `folder` is one on their disk.

    Raises OSError when it cannot be written.
    """
    os.sync()
    sync_folder(folder)  # macOS only begins with sync(2), and then empties the drive's cache with this


def sync_folder(folder: Path) -> None:
    """Return once what was put into this folder, or renamed there, would be found there after a power cut; blocks.

    Raises OSError when it cannot be written.
    """
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file(number)
    finally:
        os.close(number)


@contextmanager
def replacing(path: Path, mode: int = 0o600, *, is_durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a new, empty file beside `path`, which takes the place of `path` once the body has written it.

    Its `name` says where it lies until then. When the body fails it is removed, and `path` stays as it was. What is in
    place of either name (a link, say) is replaced and never written through. A durable file is on the disk before it
    takes its place, so that it is whole after a power cut too; that blocks for as long as the disk takes.

    Raises OSError when the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, mode)) as file:
        try:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            yield file
            file.flush()
            if is_durable:
                sync_file(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def write_file(path: Path, content: bytes, mode: int = 0o600, *, is_durable: bool = True) -> None:
    """Make `content` all that `path` holds, in one step as `replacing` does.

    Raises OSError when it cannot be written; then `path` is as it was.
    """
    with replacing(path, mode, is_durable=is_durable) as file:
        file.write(content)
