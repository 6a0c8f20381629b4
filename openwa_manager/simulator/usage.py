"""This process's own memory."""

import resource
import sys
from pathlib import Path


def rss_mb() -> int:
    """Return resident memory in MB: now on Linux, the peak elsewhere."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
    return pages * resource.getpagesize() // (1024 * 1024)
