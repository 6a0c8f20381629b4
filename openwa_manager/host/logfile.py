"""Rotates the logs of engines while they write on, and opens them for reading."""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """How large logs may become: all together, and one before it is rotated; `copies` rotated parts are kept."""

    total_max_bytes: int = 2_000_000_000
    log_max_bytes: int = 10_000_000
    copies: int = 5


def rotate(path: Path, *, max_bytes: int, kept: int) -> bool:
    """Move a log's content to `<path>.1` once it holds `max_bytes`, and keep the last `kept` of those; tell whether.

    The engine keeps its file: the content is copied, then the file is emptied (copy-truncate). It is read to its very
    end right before that, so what can be lost is only what is written in that instant. Blocks; belongs in a thread.
    """
    try:
        if path.stat().st_size < max_bytes:
            return False
    except FileNotFoundError:
        return False
    source = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fresh = _numbered(path, 0)
        target = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _copy(source, target)
            _shift(path, kept)  # first, so that whoever follows the file finds in its place what it then loses
            _copy(source, target)
            os.ftruncate(source, 0)
        finally:
            os.close(target)
    finally:
        os.close(source)
    return True


def open_log(path: Path) -> BinaryIO:
    """Open a log for reading, if it is a plain file: an engine may put anything in its place.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read, or is no plain file.
    """
    with ExitStack() as unless_returned:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        unless_returned.callback(os.close, file)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "Not a plain file", str(path))
        opened = os.fdopen(file, "rb")
        unless_returned.pop_all()
        return opened


def rotated(path: Path) -> Path:
    """Return where a log's content lies that was rotated away last."""
    return _numbered(path, 1)


def make_room(paths: Iterable[Path], *, max_bytes: int, kept: int) -> int:
    """Remove parts that were rotated away, oldest first, until these logs take `max_bytes` in all; return how many.

    The logs being written are never touched, however large they are. Blocks; belongs in a thread.
    """
    total_bytes, parts = 0, list[tuple[float, int, Path]]()
    for path in paths:
        for number in range(kept + 1):
            part = _numbered(path, number) if number else path
            with suppress(OSError):
                status = part.lstat()
                if stat.S_ISREG(status.st_mode):  # whatever else an engine has put there is not ours
                    total_bytes += status.st_size
                    parts += [(status.st_mtime, status.st_size, part)] if number else []
    count = 0
    for _, size_bytes, part in sorted(parts):
        if total_bytes <= max_bytes:
            break
        with suppress(OSError):  # one that cannot be removed: the others must make room
            part.unlink()
            total_bytes -= size_bytes
            count += 1
    return count


def _copy(source: int, target: int) -> None:
    """Copy what is left of the source; a disk that fills up raises, so that nothing is lost."""
    while content := os.read(source, _CHUNK_BYTES):
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(target, rest) :]


def _shift(path: Path, kept: int) -> None:
    for number in range(kept - 1, -1, -1):
        with suppress(FileNotFoundError):
            _numbered(path, number).replace(_numbered(path, number + 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
