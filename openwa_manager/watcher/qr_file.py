"""One session's `qr.png`: read while it is foreign, written and removed for engines that write none."""

import hashlib
import os
from contextlib import suppress

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.png import PNG_MAX_BYTES
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.opening import glance_at, opened
from openwa_manager.host.foreign.trees import remove
from openwa_manager.host.foreign.writing import write_file

QR_FILE = "qr.png"


@dataclass(frozen=True, slots=True)
class FileState:
    """One state of a file: equal stamps mean nothing was written in between; `modified_at` is wall time."""

    stamp: tuple[int, int, int, int]
    modified_at: float


def read_qr(directory: ForeignPath) -> tuple[bytes, FileState] | None:
    """Return the file's bytes and state; None when there is none of a sane size, or something else. Blocks."""
    try:
        with opened(directory.child(QR_FILE)) as file:
            status = os.fstat(file.fileno())
            if status.st_size > PNG_MAX_BYTES:
                return None
            return file.read(PNG_MAX_BYTES + 1), _state_of(status)
    except OSError:
        return None


def read_changed_qr(directory: ForeignPath, known: FileState | None) -> tuple[bytes, FileState] | None:
    """Return the same, but no bytes of a file that still is in the `known` state; nothing is opened then. Blocks."""
    status = glance_at(directory.child(QR_FILE))
    if status is None:
        return None
    if known is not None and _state_of(status) == known:
        return b"", known
    return read_qr(directory)


def _state_of(status: os.stat_result) -> FileState:
    stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return FileState(stamp=stamp, modified_at=status.st_mtime)


def write_qr(directory: ForeignPath, image: bytes) -> None:
    """Put an image where the directory contract promises it, whole or not at all, readable by the owner only."""
    write_file(directory.child(QR_FILE), image, is_durable=False)  # it is of no use after a power cut


def remove_qr(directory: ForeignPath, sha256: str | None = None) -> None:
    """Remove the image, or whatever lies in its place; with `sha256` only if it is that one. Blocks."""
    if sha256 is not None and (found := read_qr(directory)) and hashlib.sha256(found[0]).hexdigest() != sha256:
        return
    with suppress(NotADirectoryError):
        remove(directory.child(QR_FILE))
