"""A file beside the database that no copy of it holds: how far the messages have come.

A database that is behind it is an older one that was put back. The file is rewritten in place after every change and
not forced to the disk: a process that is killed loses nothing, and after a power cut the file may say less than the
database, never more. It also says which file it is, by its inode, so that a copy of the whole home is no proof.
"""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import structlog

from openwa_manager.host.files import replacing, sync_file
from openwa_manager.store.messaging.position import Position

_log = structlog.get_logger()

_WIDTH = 20
_CONTENT = re.compile(rb"([0-9]{20}) ([0-9]{20}) ([0-9]{20})\n")
_SIZE = 3 * (_WIDTH + 1)
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class GenerationFile:
    """The file at `path`; it is open from `create` on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number: int | None = None
        self._inode = 0
        self._is_behind = False

    def read(self) -> Position | None:
        """Return the position that the file says; None: there is no such file, or it is no longer what we wrote."""
        try:
            number = os.open(self._path, _FLAGS)
        except OSError:
            return None
        try:
            status, content = os.fstat(number), os.pread(number, _SIZE + 1, 0)
        except OSError:
            return None
        finally:
            os.close(number)
        found = _CONTENT.fullmatch(content)
        if found is None or not stat.S_ISREG(status.st_mode) or int(found[3]) != status.st_ino:
            return None
        return Position(int(found[1]), int(found[2]))

    def create(self, position: Position) -> None:
        """Put a new file in place, which outlasts a power cut, and keep it open; blocks as long as the disk takes.

        Raises:
            OSError: it cannot be written.
        """
        self.close()
        with replacing(self._path) as file:
            self._inode = os.fstat(file.fileno()).st_ino
            file.write(self._content(position))
            self._number = os.dup(file.fileno())

    def note(self, position: Position) -> None:
        """Write the position; a disk that takes none is logged once, and the next note tries again."""
        if self._number is None:
            return
        try:
            os.pwrite(self._number, self._content(position), 0)
        except OSError as error:
            if not self._is_behind:
                _log.warning("generation_not_noted", path=str(self._path), error=str(error))
            self._is_behind = True
        else:
            self._is_behind = False

    def sync(self) -> None:
        """Return once what was noted outlasts a power cut; blocks as long as the disk takes.

        Raises:
            OSError: it cannot be written.
        """
        if self._number is not None:
            sync_file(self._number)

    def close(self) -> None:
        """Write no more."""
        if self._number is not None:
            with suppress(OSError):
                os.close(self._number)
        self._number = None

    def _content(self, position: Position) -> bytes:
        return b"%020d %020d %020d\n" % (*position, self._inode)
