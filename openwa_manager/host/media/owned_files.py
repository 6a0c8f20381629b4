"""Files of ours that somebody needs for a while: each lies in the directory of its owner, and goes with it."""

import re
import shutil
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

from openwa_manager.domain.errors import StorageFullError
from openwa_manager.domain.values import dataclass
from openwa_manager.host.files import replacing

#: So much of a file tells what it is.
HEAD_BYTES = 4096
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is whole, and how it begins."""

    path: Path
    size_bytes: int
    head: bytes = field(repr=False)


class OwnedFiles:
    """The files below `root`, which only the daemon can enter; every method blocks for as long as the disk takes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def spool(self, owner: str, name: str) -> "Spool":
        """Return what makes a new file; nothing is on the disk yet."""
        return Spool(self._path(owner, name))

    def find(self, owner: str, name: str) -> StoredFile | None:
        """Return a file that is whole; None when there is none."""
        path = self._path(owner, name)
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
                return StoredFile(path=path, size_bytes=file.seek(0, 2), head=head)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFullError(f"{path} cannot be read: {error.strerror}") from error

    def remove(self, owner: str) -> None:
        """Remove all files of an owner; what cannot be removed stays until `sweep`."""
        shutil.rmtree(self._path(owner, "-").parent, ignore_errors=True)

    def sweep(self, owners: Collection[str]) -> dict[str, int]:
        """Remove what is unfinished, and what belongs to nobody of these; return how many bytes each still has."""
        sizes: dict[str, int] = {}
        for path in self._root.iterdir():
            if path.name in owners and path.is_dir() and not path.is_symlink():
                sizes[path.name] = _tidied_bytes(path)
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        return sizes

    def _path(self, owner: str, name: str) -> Path:
        if not _NAME.fullmatch(owner) or not _NAME.fullmatch(name):
            raise ValueError(f"no name of a file: {owner}/{name}")
        return self._root / owner / name


def _tidied_bytes(directory: Path) -> int:
    """Return how many bytes the files of a directory have, once the unfinished ones are gone."""
    size_bytes = 0
    for file in directory.iterdir():
        if _NAME.fullmatch(file.name) and file.is_file():
            size_bytes += file.stat().st_size
        else:
            file.unlink()
    return size_bytes


class Spool:
    """Takes a file piece by piece, and makes it appear once it is whole.

    `abandon` may be called from another thread at any time: it takes effect after a call that is under way, and all
    later ones fail. So a caller that is cancelled while a thread writes leaves nothing behind.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: tuple[ExitStack, BinaryIO] | None = None
        self._is_over = False
        self._size_bytes = 0
        self._head = b""

    def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            StorageFullError: the disk takes no more; call `abandon`.
        """
        with self._lock, self._as_storage_full():
            self._file().write(piece)
            self._size_bytes += len(piece)
            self._head += piece[: HEAD_BYTES - len(self._head)]

    def finish(self) -> StoredFile:
        """Make the file appear, once it is on the disk to stay.

        Raises:
            StorageFullError: the disk takes no more; nothing is left of the file.
        """
        with self._lock, self._as_storage_full():
            self._file()
            stack, self._is_over = self._opened[0] if self._opened else ExitStack(), True
            stack.close()
        return StoredFile(path=self._path, size_bytes=self._size_bytes, head=self._head)

    def abandon(self) -> None:
        """Remove the file, or what there is of it."""
        with self._lock, suppress(OSError):
            opened, self._opened, self._is_over = self._opened, None, True
            if opened is not None:
                opened[0].__exit__(OSError, OSError("discarded"), None)
                self._path.unlink(missing_ok=True)

    def _file(self) -> BinaryIO:
        if self._is_over:
            raise OSError(None, "the file is discarded")
        if self._opened is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            stack = ExitStack()
            self._opened = stack, stack.enter_context(replacing(self._path))
        return self._opened[1]

    @contextmanager
    def _as_storage_full(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageFullError(f"{self._path} cannot be written: {error.strerror}") from error
