"""Files as base64, a part at a time: what a request's body holds of them is never whole in memory."""

import asyncio
import base64
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

#: A multiple of three, so that only the last part is padded.
_PART_BYTES = 3 * 64 * 1024


def base64_length(size_bytes: int) -> int:
    """Return how many characters base64 makes of a file, padding included."""
    return (size_bytes + 2) // 3 * 4


async def base64_chunks(path: Path, size_bytes: int) -> AsyncIterator[bytes]:
    """Yield a file of this size as base64, `base64_length` characters in all.

    Raises OSError when it cannot be read, or has another size; what was yielded till then is no whole file.
    """
    for at in range(0, size_bytes, _PART_BYTES):
        yield base64.b64encode(await asyncio.to_thread(_read_part, path, at, size_bytes))


def _read_part(path: Path, at: int, size_bytes: int) -> bytes:
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
        if os.fstat(file.fileno()).st_size != size_bytes:
            raise OSError(errno.EIO, "is not as long as it was", str(path))
        file.seek(at)
        return file.read(_PART_BYTES)
