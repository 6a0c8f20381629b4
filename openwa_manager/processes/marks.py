"""Marks engines by a limit that all they start inherits, and that nobody can raise again (Linux, setrlimit(2)).

An environment can be cleaned, a session and a parent be left; a hard limit can only be lowered. RLIMIT_RTTIME bounds
the processor time of processes with realtime priority. Engines have none, so that its value is free to say whose a
process is. Where our own is bounded there are no marks.
"""

import hashlib
import resource
import sys
from contextlib import suppress

from openwa_manager.domain.session.session import LaunchId
from openwa_manager.processes.reading import procfs

_RLIMIT_RTTIME = 15  # asm-generic/resource.h; the resource module does not name it
#: Above the digest of a launch id: an engine's limit that does not begin so was lowered by somebody.
_FIRST, _DIGEST_BITS = 0x0A57, 46
_LINE = b"Max realtime timeout"


def mark_of(launch_id: LaunchId) -> int:
    """Return the limit of a launch's processes."""
    digest = int.from_bytes(hashlib.sha256(launch_id.encode()).digest()[:8])
    return _FIRST << _DIGEST_BITS | digest >> 64 - _DIGEST_BITS


def is_whole(mark: int) -> bool:
    """Tell whether a limit is the mark of some launch, as it was put."""
    return mark >> _DIGEST_BITS == _FIRST


def put(pid: int, launch_id: LaunchId) -> None:
    """Mark a process that was started just now; nothing where that is impossible."""
    if sys.platform == "linux":
        mark = mark_of(launch_id)
        with suppress(OSError, ValueError):
            resource.prlimit(pid, _RLIMIT_RTTIME, (mark, mark))


def read(pid: int) -> int | None:
    """Return a process's limit; None when it has none that we have not, or is gone."""
    if sys.platform != "linux":
        return None
    limits = procfs.read(f"/proc/{pid}/limits") or b""
    line = next((line for line in limits.splitlines() if line.startswith(_LINE)), None)
    hard = line.split()[-2] if line is not None else b"unlimited"
    return (
        None if hard == b"unlimited" or resource.getrlimit(_RLIMIT_RTTIME)[1] != resource.RLIM_INFINITY else int(hard)
    )
