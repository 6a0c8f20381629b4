"""Our own secrets on disk: a file that another user may have put there, or can put there, is not read.

The one way to files that hold a secret of ours: `tests/test_own_secrets.py` keeps other ways out.
"""

import errno
import os
import stat
from pathlib import Path

from openwa_manager.domain.errors import ConfigError

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ROOT_UID = 0
#: No secret and no table of settings is larger.
_MAX_BYTES = 1 << 20
#: Linux follows so many links in one path at most (path_resolution(7)).
_LINKS_MAX = 40


def require_own(path: Path, *, may_be_link: bool = False) -> None:
    """Return if what lies there is a plain file, ours or root's as all its parents are; also if nothing does.

    With `may_be_link` it may be a link, whose owner, parents and target are looked at in the same way: the certificates
    of an ACME client are links.

    Raises:
        ConfigError: it is not; says what to do.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode) and not may_be_link:
        raise ConfigError(f"{path} is a link: put the file itself in its place")
    names = _names_of(path)
    _require_plain(path, names[-1].lstat())
    for name in names:
        for each in (name, *name.parents):
            _require_owner(path, each, each.lstat().st_uid)


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
        OSError: there is none, it cannot be read, or it holds more than 1 MiB.
    """
    require_private(path)
    return read_own(path)


def read_own(path: Path) -> bytes:
    """Return the content of a file that `require_own` accepts; others may read it, as they may a mounted secret.

    Raises:
        ConfigError: it does not.
        OSError: there is none, it cannot be read, or it holds more than 1 MiB.
    """
    require_own(path)
    with open(path, "rb", opener=lambda name, _: os.open(name, _FLAGS)) as file:
        status = os.fstat(file.fileno())  # of what was opened: another file may have taken its place
        _require_plain(path, status)
        _require_owner(path, path, status.st_uid)
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def _names_of(path: Path) -> list[Path]:
    """Return all names that lead to a file: its own, those of links to it, the one without any link last."""
    names = [path.absolute()]
    while names[-1].is_symlink() and len(names) <= _LINKS_MAX:
        names.append(names[-1].parent / names[-1].readlink())
    if len(names) > _LINKS_MAX:
        raise ConfigError(f"{path} is a link that leads to itself: remove it")
    return [*names, names[-1].resolve()]


def _require_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path} is no plain file: remove it")
    if status.st_mode & stat.S_IWOTH:
        raise ConfigError(f"{path} can be changed by others; run: chmod o-w {path}")


def _require_owner(path: Path, part: Path, uid: int) -> None:
    if uid not in (os.geteuid(), _ROOT_UID):
        raise ConfigError(f"{part} belongs to another user ({uid}), who could change {path}: chown it, or move it")
