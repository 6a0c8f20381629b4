"""A file to which lines are only added, so that writing one costs the same whatever the file holds."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from io import FileIO
from itertools import islice
from pathlib import Path

_CHUNK_BYTES = 64 * 1024


class Journal:
    """Objects as lines of JSON; each is with the operating system once `add` returns, so a kill loses none."""

    def __init__(self, path: Path) -> None:
        """Create the file, or cut what a crash left of half a line. Raises: OSError."""
        self._path = path
        path.touch(mode=0o600)
        with path.open("a+b", buffering=0) as file:
            file.truncate(_end_of_lines(file))

    def add(self, entry: Mapping[str, object]) -> None:
        """Add a line, whole or not at all. Raises: OSError."""
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._path.open("ab", buffering=0) as file:
            written = file.write(line)
            if written < len(line):
                file.truncate(file.tell() - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def lines(self, after: int = 0, limit: int | None = None) -> list[bytes]:
        """Return the whole lines, bare of their ends, without the first `after`, at most `limit`. Raises: OSError."""
        with self._path.open("rb") as file:
            wanted = islice(file, after, None if limit is None else after + limit)
            return [line[:-1] for line in wanted if line.endswith(b"\n")]

    def entries(self, last_bytes: int | None = None) -> Iterator[dict[str, object]]:
        """Yield what was added, or what lies wholly in the last bytes, in order; a line that is none is left out."""
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if last_bytes is not None and size > last_bytes:
                file.seek(size - last_bytes)
                file.readline()
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict):
                    yield entry


def _end_of_lines(file: FileIO) -> int:
    """Return the offset behind the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _CHUNK_BYTES)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
