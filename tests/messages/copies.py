"""The ways in which an older database gets into the place of a newer one."""

import os
import shutil
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path

from openwa_manager.store.backup.copies import write_copy
from tests.e2e.peers.daemon import Daemon


class Way(ABC):
    """Makes a copy while the daemon works, and puts it back while there is none."""

    @abstractmethod
    def copy(self, daemon: Daemon, place: Path) -> None:
        """Make the copy; the daemon may be ended for it, but works again afterwards."""

    @abstractmethod
    def put_back(self, home: Path, place: Path) -> None:
        """Put the copy in the place of the database."""


class ByUs(Way):
    """As the daemon copies every hour; the database is damaged, and the daemon takes the copy by itself."""

    def copy(self, daemon: Daemon, place: Path) -> None:
        """Make the copy."""
        del place
        copies = daemon.home / "copies"
        copies.mkdir(mode=0o700, exist_ok=True)
        _vacuum(daemon.home, copies / f"manager-{len([*copies.iterdir()]) + 1}.db")

    def put_back(self, home: Path, place: Path) -> None:
        """Damage the database."""
        del place
        _remove(home)
        (home / "manager.db").write_bytes(os.urandom(100_000))
        (home / "manager.db").chmod(0o600)


class OfTheLive(Way):
    """`VACUUM INTO` beside the daemon, put back with `cp`."""

    def copy(self, daemon: Daemon, place: Path) -> None:
        """Make the copy."""
        _vacuum(daemon.home, place / "copy.db")

    def put_back(self, home: Path, place: Path) -> None:
        """Put it back."""
        _remove(home)
        shutil.copy2(place / "copy.db", home / "manager.db")


class OfTheDead(Way):
    """The files as a killed daemon left them, write-ahead log and all."""

    def copy(self, daemon: Daemon, place: Path) -> None:
        """Kill the daemon, copy, and start it again."""
        daemon.kill()
        for file in _files(daemon.home):
            shutil.copy2(file, place / file.name)
        daemon.start()

    def put_back(self, home: Path, place: Path) -> None:
        """Put them back."""
        _remove(home)
        for file in place.glob("manager.db*"):
            shutil.copy2(file, home / file.name)


class WithTheFileBeside(OfTheDead):
    """A backup of the whole home, with `run/` in it, which no backup should hold."""

    def copy(self, daemon: Daemon, place: Path) -> None:
        """Kill the daemon, copy, and start it again."""
        super().copy(daemon, place)
        shutil.copy2(daemon.home / "run" / "generation", place / "generation")

    def put_back(self, home: Path, place: Path) -> None:
        """Put all of it back."""
        super().put_back(home, place)
        shutil.copy2(place / "generation", home / "run" / "generation")


class WithoutTheFileBeside(OfTheLive):
    """Put back on a host where nothing of `run/` is left."""

    def put_back(self, home: Path, place: Path) -> None:
        """Put it back, and lose the file."""
        super().put_back(home, place)
        (home / "run" / "generation").unlink()


WAYS: tuple[Way, ...] = (ByUs(), OfTheLive(), OfTheDead(), WithTheFileBeside(), WithoutTheFileBeside())


def _vacuum(home: Path, target: Path) -> None:
    with closing(sqlite3.connect(home / "manager.db", isolation_level=None, timeout=20)) as database:
        write_copy(database, target)


def _files(home: Path) -> list[Path]:
    return [file for file in home.glob("manager.db*") if ".damaged" not in file.name]


def _remove(home: Path) -> None:
    for file in _files(home):
        file.unlink()
