"""Rotates the logs of engines while they write on, and opens them for reading; all of it blocks."""

import os
from collections.abc import Iterable
from contextlib import suppress

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.domain.values import dataclass
from openwa_manager.host.foreign.opening import opened_to_empty, plain_status_of, plain_statuses_in
from openwa_manager.host.foreign.trees import remove
from openwa_manager.host.foreign.writing import move, open_new

_CHUNK_BYTES = 1 << 20
#: A log that was found larger than its limit by so much is not kept whole.
_OVERSHOOT, _OVERSHOOT_BYTES = 1.5, 1 << 20
#: How much is copied of what an engine writes meanwhile; one that writes faster than that loses the rest.
_MEANWHILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """How large logs may become: all together, and one before it is rotated; `copies` rotated parts are kept."""

    total_max_bytes: int = 2_000_000_000
    log_max_bytes: int = 10_000_000
    copies: int = 5


def rotate(log: ForeignPath, *, max_bytes: int, kept: int) -> bool:
    """Move a log's content to `<log>.1` once it holds `max_bytes`, and keep the last `kept` of those; tell whether.

    The engine keeps its file: the content is copied, then the file is emptied (copy-truncate). It is read to its very
    end right before that, so what can be lost is only what is written in that instant. Of a log that has grown far
    beyond its limit only the last `max_bytes` are kept, so that no part is much larger than it may be.

    Raises:
        OSError: it cannot be rotated.
    """
    status = plain_status_of(log)
    if status is None or status.st_size < max_bytes:
        return False
    room_bytes = int(max(max_bytes * _OVERSHOOT, max_bytes + _OVERSHOOT_BYTES))
    with opened_to_empty(log) as source:
        if not kept:
            os.ftruncate(source, 0)
            return True
        if status.st_size > room_bytes:
            os.lseek(source, status.st_size - max_bytes, os.SEEK_SET)
        target = open_new(_numbered(log, 0))
        try:
            copied_bytes = _copy(source, target, room_bytes + _MEANWHILE_BYTES)
            _shift(log, kept)  # first, so that whoever follows the file finds in its place what it then loses
            _copy(source, target, room_bytes + _MEANWHILE_BYTES - copied_bytes)
            os.ftruncate(source, 0)
        finally:
            os.close(target)
    return True


def rotated(log: ForeignPath) -> ForeignPath:
    """Return where a log's content lies that was rotated away last."""
    return _numbered(log, 1)


def has_rotated(logs: Iterable[ForeignPath], kept: int) -> bool:
    """Tell whether any of these logs has parts that were rotated away."""
    return any(plain_statuses_in(log.parent, _names_rotated(log, kept)) for log in logs)


def make_room(logs: Iterable[ForeignPath], *, max_bytes: int, kept: int) -> int:
    """Remove parts that were rotated away, oldest first, until these logs take `max_bytes` in all; return how many.

    The logs being written are never touched, however large they are.
    """
    total_bytes, parts = 0, list[tuple[float, int, ForeignPath]]()
    for log in logs:
        # whatever else an engine has put there is not ours
        for name, status in plain_statuses_in(log.parent, (log.name, *_names_rotated(log, kept))).items():
            total_bytes += status.st_size
            parts += [(status.st_mtime, status.st_size, log.sibling(name))] if name != log.name else []
    count = 0
    for _, size_bytes, part in sorted(parts, key=lambda each: (each[0], str(each[2]))):
        if total_bytes <= max_bytes:
            break
        with suppress(OSError):  # one that cannot be removed: the others must make room
            remove(part)
            total_bytes -= size_bytes
            count += 1
    return count


def _copy(source: int, target: int, max_bytes: int) -> int:
    """Copy what is left of the source, `max_bytes` at most, and return how much that was.

    A disk that fills up raises, so that nothing is lost; an engine that writes faster than we copy does not hold us.
    """
    copied_bytes = 0
    while copied_bytes < max_bytes and (content := os.read(source, min(_CHUNK_BYTES, max_bytes - copied_bytes))):
        copied_bytes += len(content)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(target, rest) :]
    return copied_bytes


def _shift(log: ForeignPath, kept: int) -> None:
    for number in range(kept - 1, -1, -1):
        part = _numbered(log, number)
        if plain_status_of(part):
            move(part, _numbered(log, number + 1))


def _numbered(log: ForeignPath, number: int) -> ForeignPath:
    return log.sibling(f"{log.name}.{number}")


def _names_rotated(log: ForeignPath, kept: int) -> list[str]:
    return [f"{log.name}.{number}" for number in range(1, kept + 1)]
