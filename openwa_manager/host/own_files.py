"""Our own secrets on disk: a file that another user may have put there, or can put there, is not read."""

import os
import stat
from pathlib import Path

from openwa_manager.domain.errors import ConfigError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ROOT_UID = 0


def require_own(path: Path) -> None:
    """Return if what lies there is a plain file, ours or root's as all its parents are; also if nothing does.

    Raises:
        ConfigError: it is not; says what to do.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        raise ConfigError(f"{path} is a link: put the file itself in its place")
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path} is no plain file: remove it")
    for each in (path, *path.absolute().parents):
        uid = each.lstat().st_uid
        if uid not in (os.geteuid(), _ROOT_UID):
            raise ConfigError(f"{each} belongs to another user ({uid}), who could change {path}: chown it, or move it")


def require_private(path: Path) -> None:
    """Return if `require_own` does, and nobody but its owner may read or write the file.

    Raises:
        ConfigError: others can; says what to do.
    """
    require_own(path)
    if path.exists() and path.lstat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")


def read_private(path: Path) -> bytes:
    """Return the content of a file that `require_private` accepts.

    Raises:
        ConfigError: it does not.
        OSError: there is none, or it cannot be read.
    """
    require_private(path)
    with open(path, "rb", opener=lambda name, _: os.open(name, _FLAGS)) as file:
        return file.read()
