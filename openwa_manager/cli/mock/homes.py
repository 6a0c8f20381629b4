"""The temporary homes of mocks: made, removed, and swept up where a mock was killed before it could do so.

A mock holds a lock on a file of its own for as long as it lives, and so do the worlds it forks. A directory whose lock
is free belongs to nobody. The lock has its name only once it is held, so that no sweeper takes it in between.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_PREFIX, _LOCK = "openwa-mock-", "lock"
#: In a longer one a socket's path would not fit behind ours (config/settings.py); macOS's own has 49 bytes.
_PARENT_MAX_BYTES, _SHORT = 52, Path("/tmp")  # noqa: S108 - directories in it get random names
#: Engines that were just killed may still be writing: what they leave is removed once more.
_TRIES, _PAUSE_S = 40, 0.05


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Yield a directory that nobody else uses, and remove it in the end; remove first what killed mocks left."""
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) > _PARENT_MAX_BYTES:
        parent = _SHORT
    sweep(parent)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    with ExitStack() as stack:
        stack.callback(remove, directory)
        fd = os.open(directory / f"{_LOCK}.new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        stack.callback(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        (directory / f"{_LOCK}.new").rename(directory / _LOCK)
        yield directory


def sweep(parent: Path) -> None:
    """Remove what mocks of this user left in `parent` that are gone."""
    for directory in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            _remove_if_left(directory)


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it, also if somebody who is ending still writes there."""
    for _ in range(_TRIES):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(_PAUSE_S)


def _remove_if_left(directory: Path) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    fd = os.open(directory / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with ExitStack() as stack:
        stack.callback(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by its mock: BlockingIOError
        shutil.rmtree(directory, ignore_errors=True)
