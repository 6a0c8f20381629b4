"""Installs the peers once, exactly these releases, into a folder of the user's cache."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.peers.circus import Circus
from tests.benchmarks.peers.contender import Contender
from tests.benchmarks.peers.ours import Manager
from tests.benchmarks.peers.pm2 import Pm2
from tests.benchmarks.peers.runit import Runit
from tests.benchmarks.peers.supervisord import Supervisord

SUPERVISORD: Final = ("supervisor==4.3.0",)
CIRCUS: Final = ("circus==0.19.0", "pyzmq==27.3.0", "tornado==6.6.1", "psutil==7.2.2")
PM2: Final = "pm2@7.0.4"
_WITHIN_S: Final = 600.0
#: Written last: without it an installation was interrupted.
_COMPLETE: Final = "complete"


class MissingError(Exception):
    """A peer cannot be installed or run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A contender that is made in an empty folder of its own.

    Making it raises `MissingError` where it cannot be installed.
    """

    name: str
    make: Callable[[Path], Contender]


def cache_folder() -> Path:
    """Return where the peers are installed: `OPENWA_BENCH_PEERS`, or in the user's cache."""
    if place := os.environ.get("OPENWA_BENCH_PEERS"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openwa-manager" / "peers"


def contenders(place: Path) -> list[Peer]:
    """Return ours and every peer, which are installed in this folder when they are first made."""
    return [
        Peer(Manager.name, Manager),
        Peer(Supervisord.name, lambda folder: Supervisord(folder, install_by_pip(place, SUPERVISORD))),
        Peer(Circus.name, lambda folder: Circus(folder, install_by_pip(place, CIRCUS))),
        Peer(Pm2.name, lambda folder: Pm2(folder, install_by_npm(place, PM2))),
        Peer(Runit.name, _make_runit),
    ]


def install_by_pip(place: Path, packages: Sequence[str]) -> Path:
    """Return the folder of the programs of an environment that has these packages.

    Raises:
        MissingError: pip failed.
    """
    folder = place / f"{packages[0].replace('==', '-')}-python{sys.version_info.major}.{sys.version_info.minor}"
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _install(folder, [[sys.executable, "-m", "venv", str(folder)], [*pip, *packages]])
    return folder / "bin"


def install_by_npm(place: Path, package: str) -> Path:
    """Return a folder with this package in `node_modules`.

    Raises:
        MissingError: there is no Node.js, or npm failed.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise MissingError(f"{program} is not installed")
    folder = place / package.replace("@", "-")
    quiet = ("--no-audit", "--no-fund", "--loglevel=error", "--update-notifier=false")
    _install(folder, [["npm", "install", "--prefix", str(folder), *quiet, package]])
    return folder


def _make_runit(folder: Path) -> Contender:
    if shutil.which("runsvdir") is None:
        raise MissingError("runsvdir is not installed (Debian: runit)")
    return Runit(folder)


def _install(folder: Path, commands: Sequence[Sequence[str]]) -> None:
    if (folder / _COMPLETE).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for argv in commands:
        _run(argv)
    (folder / _COMPLETE).touch()


def _run(argv: Sequence[str]) -> None:
    try:
        run = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"{argv[0]}: {error}") from error
    if run.returncode != 0:
        said = [line for line in (run.stderr or run.stdout).splitlines() if line.strip()]
        raise MissingError(said[-1] if said else f"{argv[0]} failed with {run.returncode}")
