"""The directories of the sockets on which engines listen: one for each launch, which only our user may enter."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.session.session import LaunchId
from openwa_manager.host.foreign import trees

_log = structlog.get_logger()

#: Hex digits of the launch id that name the directory: few, since a socket's path may have 103 bytes only.
_NAME_DIGITS = 16


def is_socket_of(path: Path, launch_id: LaunchId) -> bool:
    """Tell whether this may be where the engine of this launch listens, in whichever home."""
    return path.is_absolute() and path.parts[-2:] == (launch_id[:_NAME_DIGITS], "s")


class EngineSockets:
    """The directories below `root`, which must be ours alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path_of(self, launch_id: LaunchId) -> Path:
        """Return where the engine of this launch is to listen."""
        return self._root / launch_id[:_NAME_DIGITS] / "s"

    def remove(self, path: Path) -> None:
        """Remove a socket and its directory, once the launch has ended. Blocks."""
        if path.parent.parent == self._root:
            _remove(path.parent)

    def sweep(self, kept: Collection[Path]) -> None:
        """Remove what launches that have ended left behind; `kept` are the sockets of the others. Blocks."""
        names = {path.parent.name for path in kept}
        with suppress(FileNotFoundError):
            for directory in self._root.iterdir():
                if directory.name not in names:
                    _remove(directory)


@contextmanager
def socket_directory(path: Path | None) -> Iterator[None]:
    """Make the directory of a launch's socket, empty and closed to others; when the body fails it is removed.

    None means that the launch has no socket. Raises OSError when the directory cannot be made or is there already.
    """
    if path is None:
        yield
        return
    path.parent.parent.mkdir(mode=0o700, exist_ok=True)
    path.parent.mkdir(mode=0o700)
    try:
        yield
    except BaseException:
        _remove(path.parent)
        raise


def _remove(directory: Path) -> None:
    """Remove the directory with whatever an engine has put into it; what stays is tried again at the next sweep."""
    try:
        is_gone = trees.remove(ForeignPath(root=directory.parent, parts=(directory.name,)))
    except OSError as error:
        _log.warning("socket_directory_not_removed", path=str(directory), error=str(error))
        return
    if not is_gone:
        _log.warning("socket_directory_not_removed", path=str(directory), error="there is too much in it")
