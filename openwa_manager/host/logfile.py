"""Engine logs as files: rotated while the engine writes on, read from the end."""

import os
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def rotate(path: Path, *, max_bytes: int, kept: int) -> bool:
    """Move a log's content to `<path>.1` once it holds `max_bytes`, and keep the last `kept` of those; tell whether.

    The engine keeps its file: the content is copied, then the file is emptied (copy-truncate). It is read to its very
    end right before that, so what can be lost is only what is written in that instant. Blocks; belongs in a thread.
    """
    try:
        if path.stat().st_size < max_bytes:
            return False
    except FileNotFoundError:
        return False
    fresh = _numbered(path, 0)
    source = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        target = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while copied := os.read(source, _CHUNK_BYTES):
                os.write(target, copied)
            os.ftruncate(source, 0)
        finally:
            os.close(target)
    finally:
        os.close(source)
    for number in range(kept - 1, -1, -1):
        if _numbered(path, number).exists():
            _numbered(path, number).replace(_numbered(path, number + 1))
    return True


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
