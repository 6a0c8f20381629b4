"""Paths as users write them: with `~` for their home directory, and in letters that the disk may spell otherwise.

A volume of macOS takes `/Opt/OpenWA` for `/opt/openwa`, but whoever compares the two does not. The system names where
processes work and what they have open in the spelling of the disk, and a sandbox compares its rules with that. So
every path that is compared, or becomes a rule, goes through `spelled_on_disk` where it comes in: in the settings.
"""

import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

from openwa_manager.domain.errors import ConfigError

#: macOS: the path of an open file as its volume spells it (sys/fcntl.h); it takes MAXPATHLEN bytes (sys/param.h).
F_GETPATH = 50
_PATH_MAX_BYTES = 1024
#: macOS: keeps no volume from being ejected (sys/fcntl.h). We must be allowed to read it (XNU, bsd/vfs/vfs_subr.c,
#: vn_authorize_open_existing: O_EVTONLY opens with FREAD); what we may not is spelled below its parent.
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_EVTONLY", os.O_RDONLY)


def expanded(path: Path | str) -> Path:
    """Return the path with `~` replaced by the user's home directory.

    Raises:
        ConfigError: nobody knows where that is: HOME is not set, and no user table has this user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"this user has no home directory, so {path} means nothing: set HOME") from error


def path_of_open(number: int, ask: Callable[[int, int, bytes], bytes] = fcntl.fcntl) -> Path:
    """Return the path of an open file as the disk spells it, by fcntl(2) of macOS (XNU, bsd/kern/kern_descrip.c).

    Raises OSError when it has none.
    """
    answer = ask(number, F_GETPATH, bytes(_PATH_MAX_BYTES))
    return Path(os.fsdecode(answer.partition(b"\0")[0]))


def spelling_of(path: Path, ask: Callable[[int, int, bytes], bytes] = fcntl.fcntl) -> Path:
    """Return how the disk of a Mac spells this path.

    Raises OSError when nothing lies there, or it cannot be looked at.
    """
    number = os.open(path, _FLAGS)
    try:
        return path_of_open(number, ask)
    finally:
        os.close(number)


#: How the disks of this system are asked; None where they take each name in one spelling only.
_SPELLING: Callable[[Path], Path] | None = spelling_of if sys.platform == "darwin" else None


def spelled_on_disk(path: Path, spelling: Callable[[Path], Path] | None = _SPELLING) -> Path:
    """Return the absolute path without links, every name in it as the disk spells it.

    What does not lie there yet, and what nobody lets us look at, stays as it is written. `spelling` asks the disk about
    a path, and raises OSError when that cannot be told.
    """
    real = Path(os.path.realpath(path))  # a tenth of the time that Path.resolve takes
    if spelling is None:
        return real
    for known in (real, *real.parents):
        try:
            return spelling(known) / real.relative_to(known)
        except OSError:
            continue
    return real
