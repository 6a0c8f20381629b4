"""The example that backs up the registry, on homes that are whole, damaged, in use and gone."""

import fcntl
import io
import plistlib
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from tests.examples.backend import EXAMPLES

BACKUP = EXAMPLES / "backup"
KEY = "owm_the_key_of_the_admin"


def write_registry(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE said (text TEXT)")
        database.execute("INSERT INTO said VALUES (?)", (text,))
        database.commit()


def read_registry(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT text FROM said").fetchone()[0])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for folder in ("copies", "run", "sessions/a/data"):
        (home / folder).mkdir(parents=True)
    write_registry(home / "manager.db", "now")
    write_registry(home / "copies" / "manager-1700000001.db", "an hour ago")
    write_registry(home / "copies" / "manager-1700000000.db", "two hours ago")
    (home / "admin.key").write_text(KEY)
    (home / "run" / "daemon.lock").touch()
    (home / "sessions" / "a" / "data" / "creds.json").write_text("{}")
    return home


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(BACKUP / "backup.py"), "--home", str(home), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def archives(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def write_archive(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def test_the_newest_copy_is_kept_for_its_owner_alone_and_no_session(home: Path, tmp_path: Path) -> None:
    said = run(home, "make", str(tmp_path / "kept"))

    archive = Path(said.stdout.strip())
    assert said.returncode == 0, said.stderr
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["manager.db", "admin.key"]
        tar.extractall(tmp_path, filter="data")
    assert read_registry(tmp_path / "manager.db") == "an hour ago"


def test_only_the_newest_archives_stay_and_nothing_else_is_removed(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("openwa-manager-20260101-000000.tar.gz", "openwa-manager-20260102-000000.tar.gz", "mine.tar.gz"):
        (kept / name).touch()

    run(home, "make", str(kept), "--keep", "2")

    assert archives(kept)[:2] == ["mine.tar.gz", "openwa-manager-20260102-000000.tar.gz"]
    assert len(archives(kept)) == 3


def test_a_home_without_a_copy_is_said_so(home: Path, tmp_path: Path) -> None:
    for copy in (home / "copies").iterdir():
        copy.unlink()

    said = run(home, "make", str(tmp_path / "kept"))

    assert (said.returncode, "holds no copy yet" in said.stderr) == (1, True)


def test_a_damaged_copy_is_refused_and_takes_no_other_archive_away(home: Path, tmp_path: Path) -> None:
    (home / "copies" / "manager-1700000001.db").write_bytes(b"no database" * 1000)

    said = run(home, "make", str(tmp_path / "kept"), "--keep", "1")

    assert (said.returncode, "damaged" in said.stderr) == (1, True)
    assert archives(tmp_path / "kept") == []


def test_an_old_copy_is_kept_and_told_by_the_exit_code(home: Path, tmp_path: Path) -> None:
    argv = ["touch", "-d", "2026-01-01", str(home / "copies" / "manager-1700000001.db")]
    subprocess.run(argv, check=True, timeout=10)

    said = run(home, "make", str(tmp_path / "kept"))

    assert (said.returncode, "does the daemon run?" in said.stderr) == (1, True)
    assert len(archives(tmp_path / "kept")) == 1


def test_what_was_there_is_set_aside_with_its_log_and_the_key_stays(home: Path, tmp_path: Path) -> None:
    archive = run(home, "make", str(tmp_path / "kept")).stdout.strip()
    (home / "manager.db-wal").write_text("a log that belongs to the former one")
    (home / "admin.key").write_text("another")

    said = run(home, "restore", archive)

    assert said.returncode == 0, said.stderr
    assert read_registry(home / "manager.db") == "an hour ago"
    aside = sorted(each.name for each in home.glob("manager.db?*"))
    assert aside[1:] == [f"{aside[0]}-wal"]
    assert (home / "admin.key").read_text() == "another"
    assert "admin.key stays as it is" in said.stdout


def test_a_new_host_gets_the_key_too(home: Path, tmp_path: Path) -> None:
    archive = run(home, "make", str(tmp_path / "kept")).stdout.strip()
    (home / "admin.key").unlink()
    (home / "manager.db").unlink()

    run(home, "restore", archive)

    assert (home / "admin.key").read_text() == KEY
    assert stat.S_IMODE((home / "admin.key").stat().st_mode) == 0o600


def test_nothing_is_put_back_under_a_running_daemon(home: Path, tmp_path: Path) -> None:
    archive = run(home, "make", str(tmp_path / "kept")).stdout.strip()
    with (home / "run" / "daemon.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        said = run(home, "restore", archive)

    assert (said.returncode, "runs: stop it first" in said.stderr) == (1, True)
    assert read_registry(home / "manager.db") == "now"


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"manager.db": b"no database" * 1000},
        {"..__manager.db": b"outside"},
    ],
)
def test_an_archive_that_is_none_changes_nothing(home: Path, tmp_path: Path, members: dict[str, bytes]) -> None:
    archive = write_archive(tmp_path / "strange.tar.gz", **members)

    said = run(home, "restore", str(archive))

    assert said.returncode == 1
    assert read_registry(home / "manager.db") == "now"
    assert archives(home) == ["admin.key", "copies", "manager.db", "run", "sessions"]


def test_an_archive_cut_short_changes_nothing(home: Path, tmp_path: Path) -> None:
    archive = Path(run(home, "make", str(tmp_path / "kept")).stdout.strip())
    archive.write_bytes(archive.read_bytes()[:-200])

    said = run(home, "restore", str(archive))

    assert said.returncode == 1, said.stdout
    assert read_registry(home / "manager.db") == "now"


def test_what_an_archive_holds_besides_is_left_where_it_is(home: Path, tmp_path: Path) -> None:
    registry = (home / "copies" / "manager-1700000000.db").read_bytes()
    members = {"manager.db": registry, "sessions__a__data__creds.json": b"old keys", "..__evil": b"x"}
    archive = write_archive(tmp_path / "strange.tar.gz", **members)

    said = run(home, "restore", str(archive))

    assert said.returncode == 0, said.stderr
    assert read_registry(home / "manager.db") == "two hours ago"
    assert (home / "sessions" / "a" / "data" / "creds.json").read_text() == "{}"
    assert not (tmp_path / "evil").exists()


def test_the_timers_run_the_same_command() -> None:
    unit = (BACKUP / "openwa-backup.service").read_text("utf-8")
    job = plistlib.loads((BACKUP / "com.openwa.backup.plist").read_bytes())

    assert "backup.py --home /opt/openwa make /var/backups/openwa" in unit
    assert job["ProgramArguments"][1:5] == ["/opt/openwa-backup/backup.py", "--home", "/opt/openwa", "make"]


def test_settings_that_are_a_link_are_kept_as_what_it_leads_to(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text('log_level = "debug"')
    (home / "manager.toml").symlink_to(tmp_path / "elsewhere.toml")
    folder = tmp_path / "backups"
    assert run(home, "make", str(folder), "--keep", "3").returncode in (0, 1)

    with tarfile.open(folder / archives(folder)[0]) as tar:
        kept = tar.extractfile("manager.toml")
        text = kept.read() if kept is not None else None

    assert text == b'log_level = "debug"'


def test_an_archive_with_damaged_bytes_is_refused_in_words(home: Path, tmp_path: Path) -> None:
    numbers = b"".join(b"%d," % number for number in range(100_000))
    whole = write_archive(tmp_path / "whole.tar.gz", **{"manager.db": numbers}).read_bytes()
    middle, damaged = len(whole) // 2, tmp_path / "damaged.tar.gz"
    damaged.write_bytes(whole[:middle] + b"\xff" * 200 + whole[middle + 200 :])

    outcome = run(home, "restore", str(damaged))

    assert outcome.returncode == 1
    assert outcome.stderr.startswith("backup.py: ")
    assert "Traceback" not in outcome.stderr
    assert read_registry(home / "manager.db") == "now"
