"""Rotates the daemon's own log where nobody else does: launchd opens a file for it, and that file only grows.

launchd opens it O_APPEND, by its path, anew at each start and once for each output (launchd-842, src/core.c,
job_setup_fd). So it is enough that our own two descriptors move on to the new file. newsyslog is no help: it would
rename the file, and we would go on writing where nobody looks.
"""

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from openwa_manager.host.user_paths import path_of_open

_STDOUT, _STDERR = 1, 2
_MAX_BYTES = 10_000_000
_KEPT_COUNT = 5


def rotate_own_log(max_bytes: int = _MAX_BYTES, kept_count: int = _KEPT_COUNT) -> Path | None:
    """Begin a new log once ours holds `max_bytes`, and keep the last `kept_count`; return its path if that was done.

    Only a plain file of ours is rotated: a terminal, a pipe and the journal are others' affair. What is written at the
    same time goes into one of the two files; nothing is lost. Blocks.

    Raises:
        OSError: the directory cannot be written to.
    """
    status = os.fstat(_STDERR)
    if not stat.S_ISREG(status.st_mode) or status.st_size < max_bytes or status.st_uid != os.geteuid():
        return None
    path = _path_of(_STDERR)
    if path is None or not _is_same(path, status):
        return None  # somebody has moved it away, as log rotation does
    for number in range(kept_count, 0, -1):
        with suppress(FileNotFoundError):
            _numbered(path, number - 1).replace(_numbered(path, number))
    fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for stream in (_STDERR, _STDOUT):
            if _is_status_of(stream, status):
                os.dup2(fresh, stream)
    finally:
        os.close(fresh)
    return path


if sys.platform == "darwin":  # pragma: no cover (macOS)

    def _path_of(number: int) -> Path | None:
        with suppress(OSError):
            return path_of_open(number)
        return None

else:

    def _path_of(number: int) -> Path | None:
        with suppress(OSError):
            return Path(f"/proc/self/fd/{number}").readlink()
        return None


def _is_same(path: Path, status: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.lstat(), status)
    return False


def _is_status_of(number: int, status: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(number), status)
    return False


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
