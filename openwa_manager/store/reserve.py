"""Room on the disk that is kept for what must be written even when the disk is full."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from openwa_manager.host.files import write_file

#: An urgent write takes some 100 KB of SQLite's log at most; a list of revoked keys, 650 KB.
RESERVE_BYTES: Final = 2 * 1024 * 1024
#: A daemon that starts writes about as much before it can do anything for anybody.
_START_BYTES = 512 * 1024
#: It is taken only from a disk that has many times as much: else it would be what fills it.
_FREE_FACTOR = 8


class Reserve:
    """A file that only takes up room, and makes way. Its methods block for as long as the disk takes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def set_aside(self) -> None:
        """Have the file there, as far as the disk has room to spare."""
        if self._path.exists():
            return
        with suppress(OSError):
            if shutil.disk_usage(self._path.parent).free >= _FREE_FACTOR * RESERVE_BYTES:
                write_file(self._path, os.urandom(RESERVE_BYTES), is_durable=False)  # zeros may take up nothing

    def make_way(self) -> bool:
        """Remove the file; return False when there was none, or it cannot be removed."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def make_way_for_start(self) -> None:
        """Make way if the disk has too little room for a daemon to start."""
        with suppress(OSError):
            if shutil.disk_usage(self._path.parent).free < _START_BYTES:
                self.make_way()
