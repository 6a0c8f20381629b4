import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openwa_manager.domain.foreign_path import of_session
from openwa_manager.host.logs.logfile import rotate, rotated

KEPT = 3

#: Appends numbered lines as fast as it can for a while, as an engine in trouble does.
WRITER = """
import os, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
end, number = time.monotonic() + 1.0, 0
while time.monotonic() < end:
    number += 1
    os.write(log, b"%08d %s\\n" % (number, b"x" * 40))
    time.sleep(0.0001)
print(number)
"""


def content_of(path: Path) -> bytes:
    """Return everything that is kept of a log, oldest first."""
    parts = [path.with_name(f"{path.name}.{number}") for number in range(1000, 0, -1)]
    return b"".join(part.read_bytes() for part in [*parts, path] if part.exists())


def test_a_log_below_its_limit_and_one_that_is_not_there_stay_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"

    before = rotate(of_session(log), max_bytes=10, kept=KEPT)
    log.write_bytes(b"short")

    assert not before
    assert not rotate(of_session(log), max_bytes=10, kept=KEPT)
    assert log.read_bytes() == b"short"


def test_only_so_many_are_kept_each_for_its_owner_only(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    for number in range(KEPT + 3):
        log.write_bytes(b"%d" % number * 10)
        assert rotate(of_session(log), max_bytes=10, kept=KEPT)

    parts = sorted(tmp_path.iterdir())
    assert [part.name for part in parts] == ["engine.log", *(f"engine.log.{number}" for number in range(1, KEPT + 1))]
    assert rotated(of_session(log)).path.read_bytes() == b"5" * 10
    assert all(part.stat().st_mode & 0o077 == 0 for part in parts[1:])
    assert log.read_bytes() == b""


def test_nothing_but_an_instant_is_lost_while_the_engine_writes_on(tmp_path: Path) -> None:
    log, stop, rotations = tmp_path / "engine.log", threading.Event(), []

    def keep_small() -> None:
        while not stop.wait(0.02):
            rotations.append(rotate(of_session(log), max_bytes=10_000, kept=1000))

    housekeeper = threading.Thread(target=keep_small, daemon=True)
    housekeeper.start()
    written = subprocess.run([sys.executable, "-c", WRITER, str(log)], stdout=subprocess.PIPE, check=True, timeout=30)
    stop.set()
    housekeeper.join(10)

    lines = content_of(log).splitlines()
    numbers = [int(line[:8]) for line in lines]
    lost_count = int(written.stdout) - len(numbers)
    assert all(len(line) == 49 for line in lines)
    assert numbers == sorted(set(numbers))
    assert sum(rotations) > 3
    assert lost_count <= sum(rotations) * 10  # the instant between the last look and the cut


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_on_a_full_disk_a_log_grows_on_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, timeout=30
    ).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        log = disk / "engine.log"
        log.write_bytes(b"x" * 40_000)

        with pytest.raises(OSError, match="No space left"):
            rotate(of_session(log), max_bytes=10_000, kept=KEPT)

        assert log.read_bytes() == b"x" * 40_000
    finally:
        subprocess.run(["umount", str(disk)], check=True, timeout=30)
