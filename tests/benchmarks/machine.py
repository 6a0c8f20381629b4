"""Tells on what a benchmark ran, and how quiet that was."""

import os
import platform
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_ROOT = Path(__file__).parents[2]
#: A fixed piece of work: some tens of milliseconds, so that it meets whoever else runs.
_SPINS, _STEPS = 5, 400_000
#: How much longer the slowest of them may take than the quickest.
_SPREAD_MAX = 0.15


def describe() -> dict[str, str | int | float]:
    """Return what a result depends on: machine, system, versions, date and commit."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
    }


def load() -> float:
    """Return how many processes wanted to run during the last minute, on average."""
    return os.getloadavg()[0]


@dataclass
class Quiet:
    """Notes during a run how long a fixed piece of work takes, and tells whether others disturbed the run."""

    load_before: float = field(default_factory=load)
    spins_s: list[float] = field(default_factory=list)

    def look(self) -> float:
        """Do the work a few times while nothing is measured; note and return the median, in seconds."""
        self.spins_s.append(statistics.median(_spin_s() for _ in range(_SPINS)))
        return self.spins_s[-1]

    def noise(self) -> Sequence[str]:
        """Return in words what disturbed the run; empty if nothing did."""
        words: list[str] = []
        cores = os.cpu_count() or 1
        if self.load_before > cores:
            words.append(f"the load before it was {self.load_before:.1f} on {cores} cores")
        if self.spins_s and (spread := max(self.spins_s) / min(self.spins_s) - 1) > _SPREAD_MAX:
            words.append(f"the same loop took up to {spread:.0%} longer at one time than at another")
        return words


def _spin_s() -> float:
    began_s = time.perf_counter()
    total = 0
    for number in range(_STEPS):
        total += number & 7
    return time.perf_counter() - began_s


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit that is checked out, with `+` behind it if files have changed since; empty outside of git."""
    try:
        names = [
            subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True, timeout=20).stdout
            for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return names[0].strip() + ("+" if names[1] else "")
