"""Works on whole trees of files, none of which is trusted: no link is followed, and all has limits.

While strangers' scripts may still run in a tree nothing here is called for it.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.files import sync_all, sync_folder
from openwa_manager.host.foreign.trees import remove

#: OpenWA 0.23 with all it needs has 0.6 GB in 50,000 files; with a Chromium 1 GB.
TREE_MAX_BYTES: Final = 4 << 30
TREE_MAX_FILES: Final = 400_000
_DEEPEST: Final = 60
#: What is no part of a build, and may be secret or large. OpenWA's own pages (0.3 GB with their packages) are among it:
#: its engines do not serve them here.
_NOT_COPIED: Final = frozenset({".git", ".env", "data", "sessions", "logs", "dashboard"})
_OF_BUILDS: Final = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
#: What is run of a build.
_OWN: Final = frozenset({"dist", "node_modules"})
#: Where node-gyp links the Python that it uses.
_COMPILED_WITH: Final = "node_gyp_bins"
_WRITES: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class TreeTooLargeError(OSError):
    """A tree has more files, or more bytes, than we take."""

    def __init__(self, root: Path) -> None:
        limit = f"{TREE_MAX_BYTES >> 30} GiB, {TREE_MAX_FILES:,} files, {_DEEPEST} folders deep"
        super().__init__(errno.EFBIG, f"it is larger than a build may be ({limit})", str(root))


def tree_bytes(root: Path, left_out: Collection[str] = ()) -> int:
    """Return how many bytes the plain files below a folder have, but for some names at its top.

    Raises:
        TreeTooLargeError: more than we take.
        OSError: a part of it cannot be read.
    """
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(root, left_out))


def copy_tree(source: Path, target: Path, is_wanted: Callable[[], bool] = lambda: True) -> None:
    """Copy a folder but what is no part of a build, such as `.env` and what engines wrote; links are copied as such.

    It ends early, with an error, once it is not wanted any more.

    Raises:
        TreeTooLargeError: more than we take; a part is left behind.
        OSError: something cannot be read, or written.
    """
    size = tree_bytes(source, _NOT_COPIED)
    if size > shutil.disk_usage(target.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
    target.mkdir(mode=0o700)
    for entry in _entries(source, _NOT_COPIED):
        if not is_wanted():
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR), entry.path)
        _copy(entry, target / Path(entry.path).relative_to(source))


def _copy(entry: os.DirEntry[str], target: Path) -> None:
    """Copy a file, a folder without what is in it, or a link; nothing else can be part of a build."""
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
    elif entry.is_dir(follow_symlinks=False):
        target.mkdir(mode=0o700)
    elif entry.is_file(follow_symlinks=False):
        shutil.copyfile(entry.path, target, follow_symlinks=False)
        target.chmod(stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & 0o755 | stat.S_IWUSR)


def strip_tree(root: Path) -> None:
    """Remove what is no part of a build, as a copy leaves it out.

    Raises:
        OSError: something cannot be removed.
    """
    for name in _NOT_COPIED:
        remove_tree(root / name)


def allow_programs(root: Path) -> None:
    """Let what npm linked as a program be executed: it cannot set modes itself where it is confined.

    Only plain files that lie in the tree are touched.

    Raises:
        TreeTooLargeError | OSError: as `tree_bytes`.
    """
    real = Path(os.path.realpath(root))
    for folder in _folders(root):
        if folder.name != ".bin" or folder.parent.name != "node_modules":
            continue
        for link in folder.iterdir():
            program = Path(os.path.realpath(link))
            if program.is_relative_to(real) and program.is_file():
                program.chmod(stat.S_IMODE(program.stat().st_mode) | stat.S_IXUSR)


def seal_tree(root: Path) -> None:
    """Take the right to write from all below a folder, so that no accident changes a build; the folder can be moved on.

    Raises:
        TreeTooLargeError | OSError: as `tree_bytes`, or there is what a build cannot have: a pipe, a socket, a device.
    """
    _require_own_links(root)
    for entry in _entries(root):
        if stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode) not in _OF_BUILDS:
            raise OSError(errno.EINVAL, "A build has files, folders and links, and nothing else", entry.path)
    for entry in _files(root):
        os.chmod(entry.path, stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) & ~_WRITES)  # noqa: PTH101
    for folder in sorted(_folders(root), reverse=True):
        if folder != root:
            folder.chmod(0o500)


def _require_own_links(root: Path) -> None:
    """Accept a tree whose program and packages lie in it: what lies elsewhere changes without us.

    What native packages are compiled with is linked among them; that is not needed any more, and removed.
    """
    real = Path(os.path.realpath(root))
    for entry in [each for each in _entries(root) if each.is_symlink()]:
        link = Path(entry.path)
        if link.relative_to(root).parts[0] not in _OWN or Path(os.path.realpath(link)).is_relative_to(real):
            continue
        if link.parent.name != _COMPILED_WITH:
            raise OSError(errno.EXDEV, "What a build runs must lie in it, and this link leaves it", str(link))
        link.unlink()


def put_in_place(tree: Path, place: Path, sync: Callable[[Path], None] = sync_all) -> None:
    """Make a sealed tree a build: it is there whole or not at all, also after a power cut; blocks, maybe for minutes.

    Raises:
        OSError: it cannot be moved, or something is there already.
    """
    if place.exists() or place.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
    sync(tree)  # a folder with this name counts as whole, and a rename may be on the disk before the files
    tree.rename(place)
    place.chmod(0o500)
    sync_folder(place.parent)


def take_away(place: Path, hidden: Path) -> None:
    """Have a build be there no more, in one step; what is left of it lies under another name until it is removed.

    Raises:
        OSError: it cannot be moved.
    """
    place.chmod(0o700)  # without it a folder cannot be moved
    place.rename(hidden)


def remove_tree(root: Path) -> None:
    """Remove a folder and all below it, however deep, also one that was sealed; without effect when there is none.

    Raises:
        OSError: something cannot be removed.
    """
    place = ForeignPath(root=root.parent, parts=(root.name,))
    while not remove(place):
        pass  # each call removes a part of it


def _files(root: Path, left_out: Collection[str] = ()) -> Iterator[os.DirEntry[str]]:
    """Go through all plain files below a folder."""
    return (entry for entry in _entries(root, left_out) if entry.is_file(follow_symlinks=False))


def _folders(root: Path) -> Iterator[Path]:
    """Go through a folder and all folders below it."""
    yield root
    yield from (Path(entry.path) for entry in _entries(root) if entry.is_dir(follow_symlinks=False))


def _entries(root: Path, left_out: Collection[str] = ()) -> Iterator[os.DirEntry[str]]:
    """Go through all below a folder, each folder before what is in it, but for some names at the top."""
    pending: list[tuple[str, int]] = [(str(root), 0)]
    count, size = 0, 0
    while pending:
        folder, depth = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if depth == 0 and entry.name in left_out:
                    continue
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, depth + 1))
                elif entry.is_file(follow_symlinks=False):
                    size += entry.stat(follow_symlinks=False).st_size
                if count > TREE_MAX_FILES or size > TREE_MAX_BYTES or depth > _DEEPEST:
                    raise TreeTooLargeError(root)
                yield entry
