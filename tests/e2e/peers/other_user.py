"""Daemons that run as a user who is not root, for what root may do anyway proves nothing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NOBODY = 65534


def becoming_other() -> Sequence[str] | None:
    """Return what runs a command as a user that is not root, nothing if we are none; None where that is impossible."""
    if os.geteuid() != 0:
        return ()
    becoming = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    argv = (*becoming, sys.executable, "-c", "import openwa_manager.daemon")
    if shutil.which("setpriv") is None or subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode:
        return None
    return becoming


def python_of_others() -> str | None:
    """Return a Python that an engine of this user can run."""
    return sys.executable if os.geteuid() != 0 else shutil.which("python3", path="/usr/bin:/bin")


def give(path: Path) -> None:
    """Hand a tree to that user."""
    if os.geteuid() == 0:
        for each in (path, *path.rglob("*")):
            os.chown(each, NOBODY, NOBODY)
