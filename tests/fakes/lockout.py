"""Another process that keeps every reader and writer out of a SQLite database, as one on a hanging disk would."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.process import ending

#: Bytes 120 to 127 of the -shm file are the WAL's locks (sqlite.org/walformat.html).
_HOLD = """
import fcntl, os, sys
with open(sys.argv[1], "r+b") as shared:
    fcntl.lockf(shared, fcntl.LOCK_EX, 8, 120, os.SEEK_SET)
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked_out(database: Path) -> Iterator[None]:
    """Let nobody read or write the database while the body runs; it must be open somewhere."""
    argv = (sys.executable, "-c", _HOLD, f"{database}-shm")
    with ending(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            holder.stdin.close()
