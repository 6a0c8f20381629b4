"""Writes a file in one step: whoever reads it finds the old content or the new one, never a part of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, mode: int = 0o600, *, is_durable: bool = True) -> Iterator[BinaryIO]:
    """Yield a new, empty file beside `path`, which takes the place of `path` once the body has written it.

    Its `name` says where it lies until then. When the body fails it is removed, and `path` stays as it was. What is in
    place of either name (a link, say) is replaced and never written through. A durable file is on the disk before it
    takes its place, so that it is whole after a power cut too; that blocks for as long as the disk takes.

    Raises OSError when the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, mode)) as file:
        try:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            yield file
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def write_file(path: Path, content: bytes, mode: int = 0o600, *, is_durable: bool = True) -> None:
    """Make `content` all that `path` holds, in one step as `replacing` does.

    Raises OSError when it cannot be written; then `path` is as it was.
    """
    with replacing(path, mode, is_durable=is_durable) as file:
        file.write(content)
