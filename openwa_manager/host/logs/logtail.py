"""Reads the end of a log from behind, never more than so many bytes of it, and what is appended; all of it blocks.

What is no plain file, or cannot be read, is an empty log: an engine may put anything in its place.
"""

import os
import stat
from typing import BinaryIO, NamedTuple

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.opening import glance_at, opened, plain_status_of
from openwa_manager.host.logs.logfile import rotated

#: How much the last lines may take together, however many are wanted and however long they are.
TAIL_MAX_BYTES = 8 << 20
_BLOCK_BYTES = 65_536


class OlderPart(NamedTuple):
    """What of a log's tail was rotated away already: from `position` to `end` of the file that this `inode` is."""

    inode: int
    position: int
    end: int


def tail_of(log: ForeignPath, line_count: int, max_bytes: int = TAIL_MAX_BYTES) -> tuple[OlderPart | None, int]:
    """Return where the last lines of a log begin, and before it those of them that were rotated away already.

    They take `max_bytes` at most: of the line that is too long for that only the end is among them.
    """
    own = _tail(log, line_count, max_bytes)
    if own.position > 0 or own.line_count >= line_count:
        return None, own.position
    older = _tail(rotated(log), line_count - own.line_count, max_bytes - own.end)
    part = OlderPart(older.inode, older.position, older.end)
    return part if part.position < part.end else None, own.position


def read_older(log: ForeignPath, part: OlderPart) -> tuple[bytes, OlderPart]:
    """Return the next bytes of this part, and what is left of it; none at its end, or once it has been rotated on."""
    try:
        with opened(rotated(log)) as file:
            if os.fstat(file.fileno()).st_ino != part.inode:
                return b"", part
            file.seek(part.position)
            chunk = file.read(min(_BLOCK_BYTES, part.end - part.position))
    except OSError:
        return b"", part
    return chunk, part._replace(position=part.position + len(chunk))


def last_bytes_of(log: ForeignPath, count: int, begin: int = 0) -> bytes:
    """Return the last bytes of a log, none of them before `begin`; in one that is shorter, all have come since."""
    try:
        with opened(log) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(begin if begin <= end else 0, end - count))
            return file.read(count)
    except OSError:
        return b""


def size_of(log: ForeignPath, known_bytes: int | None = None) -> int:
    """Return how long a log is; that it still is as long as is `known` takes a quarter of the time."""
    seen = None if known_bytes is None else glance_at(log)
    if seen is not None and stat.S_ISREG(seen.st_mode) and seen.st_size == known_bytes:
        return known_bytes
    status = plain_status_of(log)
    return status.st_size if status else 0


def read_from(log: ForeignPath, position: int, end: int | None) -> tuple[bytes, int]:
    """Return the next bytes, none behind `end`, and the position after them.

    A file cut short was rotated: first comes what is left of its former content, then it starts anew.
    """
    try:
        with opened(log) as file:
            if file.seek(0, os.SEEK_END) < position:
                if rest := _rest_of(rotated(log), position):
                    return rest, position + len(rest)
                position = 0
            file.seek(position)
            wanted_bytes = _BLOCK_BYTES if end is None else max(0, min(_BLOCK_BYTES, end - position))
            chunk = file.read(wanted_bytes)
    except FileNotFoundError:
        return b"", 0
    except OSError:
        return b"", position
    return chunk, position + len(chunk)


def _rest_of(log: ForeignPath, position: int) -> bytes:
    try:
        with opened(log) as file:
            file.seek(position)
            return file.read(_BLOCK_BYTES)
    except OSError:
        return b""


class _Tail(NamedTuple):
    """Where the last lines of a log begin, how many they are, where the log ends, and which file it is."""

    position: int = 0
    line_count: int = 0
    end: int = 0
    inode: int = 0


def _tail(log: ForeignPath, line_count: int, max_bytes: int) -> _Tail:
    try:
        with opened(log) as file:
            end = file.seek(0, os.SEEK_END)
            position, found_count = _line_start(file, end, line_count, max(0, end - max_bytes))
            return _Tail(position, found_count, end, os.fstat(file.fileno()).st_ino)
    except OSError:
        return _Tail()


def _line_start(file: BinaryIO, end: int, line_count: int, first: int) -> tuple[int, int]:
    """Return where the last lines before `end` begin, none before `first`, and how many they are.

    A last line that is not finished yet counts as one, and so does the end of one that begins before `first`.
    """
    found_count, block_end, position = 0, end, end
    while block_end > first and found_count < line_count:
        block_start = max(first, block_end - _BLOCK_BYTES)
        file.seek(block_start)
        block = file.read(block_end - block_start)
        at = len(block) - 1 if block_end == end and block.endswith(b"\n") else len(block)
        while found_count < line_count and (at := block.rfind(b"\n", 0, at)) != -1:
            position = block_start + at + 1
            found_count += 1
        block_end = block_start
    if found_count < line_count and position > first:
        return first, found_count + 1
    return position, found_count
