#!/usr/bin/env python3
"""Keeps copies of what a lost host of openwa-manager cannot make again, and puts one back.

    backup.py make DIR [--keep N]    write DIR/openwa-manager-<time>.tar.gz, and remove all but the newest N
    backup.py restore ARCHIVE        put its registry back; the daemon must not run

Sessions are left out on purpose: an account that comes back with keys it has used already is logged out by WhatsApp.
Needs nothing but Python 3.11. What went wrong is said on stderr, with exit code 1.
"""

import argparse
import fcntl
import os
import re
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

REGISTRY = "manager.db"
#: What lies beside the registry and is of use on a new host. What was revoked is in no copy of the registry.
FILES = ("manager.toml", "admin.key", "run/revoked")
#: The daemon copies its registry every hour; an older copy means that it does not any more.
OLD_AFTER_S = 3 * 3600
LARGEST_BYTES = 50_000_000_000
NAME = re.compile(r"openwa-manager-\d{8}-\d{6}\.tar\.gz")


class BackupError(Exception):
    """What a person has to put right."""


def make(home: Path, folder: Path, keep: int) -> Path:
    """Write an archive into the folder, remove those that are too many, and return the new one."""
    copies = sorted((home / "copies").glob("manager-*.db"))
    if not copies:
        raise BackupError(f"{home / 'copies'} holds no copy yet: the daemon makes the first one after an hour")
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / time.strftime("openwa-manager-%Y%m%d-%H%M%S.tar.gz", time.gmtime())
    with tempfile.TemporaryDirectory(prefix=".backup", dir=folder) as place:
        registry, packed = Path(place, REGISTRY), Path(place, "packed")
        shutil.copyfile(copies[-1], registry)  # the daemon writes each copy once, and never again
        require_sound(registry)
        with tarfile.open(packed, "w:gz", dereference=True) as tar:
            tar.add(registry, REGISTRY)
            for name in FILES:
                if (home / name).is_file():
                    tar.add(home / name, name)
        with packed.open("rb") as written:
            os.fsync(written.fileno())
        packed.rename(archive)
    for old in sorted(each for each in folder.iterdir() if NAME.fullmatch(each.name))[:-keep]:
        old.unlink()
    age_s = time.time() - copies[-1].stat().st_mtime
    if age_s > OLD_AFTER_S:
        raise BackupError(
            f"{archive} was written, but its registry is {age_s / 3600:.0f} hours old: does the daemon run?"
        )
    return archive


def restore(home: Path, archive: Path) -> list[str]:
    """Put the registry of an archive in its place; return what is to know."""
    with daemon_locked_out(home), tempfile.TemporaryDirectory(prefix=".restore", dir=home) as place:
        unpack(archive, Path(place))
        require_sound(Path(place, REGISTRY))
        owner, said = home.stat(), []
        for part in ("-wal", "-shm", ""):  # its log belongs to the former registry: with another it is garbage
            former = home / f"{REGISTRY}{part}"
            if former.exists():
                former.rename(home / f"{REGISTRY}.before-restore-{int(time.time())}{part}")
        for name in (REGISTRY, *FILES):
            found, there = Path(place, name), home / name
            if there.exists():
                said += [f"{there} stays as it is"] if found.exists() else []
            elif found.exists():
                found.chmod(0o600)
                os.chown(found, owner.st_uid, owner.st_gid, follow_symlinks=False)
                found.rename(there)
                said.append(f"{there} is that of the archive")
        return said


def require_sound(registry: Path) -> None:
    """Fail if a copy of the registry is damaged."""
    try:
        with closing(sqlite3.connect(registry)) as database:
            if database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return
    except sqlite3.Error as error:
        raise BackupError(f"the copy of the registry is damaged: {error}") from error
    raise BackupError("the copy of the registry is damaged")


def unpack(archive: Path, place: Path) -> None:
    """Write what an archive of ours holds, and nothing else that may be in it, into a place."""
    (place / "run").mkdir()
    with tarfile.open(archive, "r:gz") as tar:
        for name in (REGISTRY, *FILES):
            member = tar.getmember(name) if name in tar.getnames() else None
            source = tar.extractfile(member) if member and member.isfile() and member.size < LARGEST_BYTES else None
            if source is None:
                if name == REGISTRY:
                    raise BackupError(f"{archive} holds no {REGISTRY}")
                continue
            with (place / name).open("wb") as target:
                shutil.copyfileobj(source, target)


@contextmanager
def daemon_locked_out(home: Path) -> Iterator[None]:
    """Keep the daemon of a home from starting; fail if it runs."""
    lock = home / "run" / "daemon.lock"
    try:
        held = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise BackupError(f"{home} is no home of the daemon: start it once, and stop it") from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BackupError(f"the daemon of {home} runs: stop it first") from error
    finally:
        os.close(held)


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(description="Backs up the registry of openwa-manager, and puts it back.")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("OPENWA_MANAGER_HOME", "/opt/openwa")))
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="write an archive")
    making.add_argument("folder", type=Path)
    making.add_argument("--keep", type=int, default=14, metavar="N", help="keep the newest N archives (14)")
    verbs.add_parser("restore", help="put a registry back").add_argument("archive", type=Path)
    given = parser.parse_args()
    os.umask(0o077)  # an archive holds the admin's key and people's messages
    try:
        if given.verb == "restore":
            print("\n".join(restore(given.home, given.archive)))
        else:
            print(make(given.home, given.folder, max(1, given.keep)))
    except (BackupError, OSError, tarfile.TarError, EOFError, zlib.error) as error:
        print(f"backup.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
