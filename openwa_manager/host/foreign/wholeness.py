"""Tells whether somebody cut a database of an engine: it lacks bytes that it says it has.

SQLite writes into the first page how long the file is (https://www.sqlite.org/fileformat2.html, 1.3), and refuses a
file that is shorter. The simulator's stand-in ends each write with an end of line. All functions block.
"""

import os
import struct
from contextlib import suppress

from openwa_manager.domain.foreign_path import ForeignPath
from openwa_manager.host.foreign.opening import opened, plain_status_of

_SQLITE, _HEADER_BYTES = b"SQLite format 3\0", 100
#: The size of a page (1 means 65,536), the counter of changes, the pages in the file, the counter they were noted at.
_PAGE_SIZE, _CHANGES, _PAGES, _NOTED_AT = (">H", 16), (">I", 24), (">I", 28), (">I", 92)
_LINES = ".json"


def is_cut(database: ForeignPath, *, is_live: bool) -> bool:
    """Tell whether a database that holds something is shorter than it says; False where that cannot be told.

    What a journal will mend is not cut. In use, a file that grows may look cut for a moment.
    """
    with suppress(OSError), opened(database) as file:
        if database.name.endswith(_LINES):
            file.seek(-1, os.SEEK_END)
            return is_live and file.read(1) != b"\n"  # an engine that died in a write goes on from the line before
        header = file.read(_HEADER_BYTES)
        size_bytes = os.fstat(file.fileno()).st_size
        return _says_more(header, size_bytes) and not _will_be_mended(database, is_live=is_live)
    return False


def _says_more(header: bytes, size_bytes: int) -> bool:
    if len(header) < _HEADER_BYTES:
        return True
    page_size, changes, pages, noted_at = (
        struct.unpack_from(form, header, at)[0] for form, at in (_PAGE_SIZE, _CHANGES, _PAGES, _NOTED_AT)
    )
    is_told = header.startswith(_SQLITE) and changes == noted_at  # versions before 3.7 did not note it
    return is_told and size_bytes < pages * (65_536 if page_size == 1 else page_size)


def _will_be_mended(database: ForeignPath, *, is_live: bool) -> bool:
    """Tell whether a transaction is under way, or was when the engine died: its journal restores the file.

    An engine in use nearly always has a log of changes (`-wal`), which says nothing of the file's length.
    """
    endings = ("-journal",) if is_live else ("-journal", "-wal")
    siblings = (plain_status_of(database.parent.child(f"{database.name}{ending}")) for ending in endings)
    return any(each is not None and each.st_size for each in siblings)
