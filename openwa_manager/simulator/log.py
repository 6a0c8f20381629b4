"""One line per event on stdout, as a server under a supervisor writes them."""

import os
import sys

from openwa_manager.simulator.clock import iso_now


def log(message: str, *, level: str = "LOG") -> None:
    """Write a line at once; a reader that is gone ends the process with status 1, as it ends OpenWA."""
    try:
        sys.stdout.write(f"[OpenWA] {os.getpid()}  - {iso_now()} {level:>7} {message}\n")
        sys.stdout.flush()
    except OSError:
        os._exit(1)
