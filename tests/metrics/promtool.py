"""Runs Prometheus's own tool, which Debian has in its package `prometheus`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Return where a program of Prometheus is; without it the test is skipped, but never in CI on Linux."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") and sys.platform == "linux":
        pytest.fail(f"{name} is missing: .ci/run installs it")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found


def promtool(*arguments: str, given: str = "", place: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run it with this standard input; it says with its exit code what it thinks of it."""
    argv = (program("promtool"), *arguments)
    return subprocess.run(argv, input=given, cwd=place, capture_output=True, text=True, timeout=60, check=False)
