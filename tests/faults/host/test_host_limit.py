"""A launch for which the host has run out of something is shown, answered in time, ended in time, and made good."""

import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon

Serve = Callable[..., Daemon]


@pytest.fixture
def few_inodes(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk with room for bytes, but for few files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = "size=64m,nr_inodes=64,mode=700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=False, capture_output=True, timeout=30
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True, timeout=30)


def take_all_inodes(disk: Path) -> list[Path]:
    taken: list[Path] = []
    for number in count():
        file = disk / f"file-{number}"
        try:
            file.touch()
        except OSError:
            return taken
        taken.append(file)
    raise AssertionError


def steps_of(daemon: Daemon, session_id: str) -> list[str]:
    body = daemon.ask("GET", f"/v1/sessions/{session_id}/why").body
    return [cast("str", step["decision"]) for step in cast("list[dict[str, Json]]", body["steps"])]


def reason_of(daemon: Daemon, session_id: str) -> Json:
    reason = cast("dict[str, Json] | None", daemon.ask("GET", f"/v1/sessions/{session_id}").body["reason"])
    return reason["code"] if reason else None


def test_a_launch_without_inodes_is_answered_at_once_shown_and_made_good(serve: Serve, few_inodes: Path) -> None:
    settings = {"SESSIONS_PATH": str(few_inodes / "sessions"), "MIN_FREE_DISK_BYTES": "0"}
    daemon = serve(engine_env=SCANNED, settings=settings)
    taken = take_all_inodes(few_inodes)

    began_s = time.monotonic()
    answer = daemon.ask("POST", "/v1/sessions", {"session_id": "poor"})
    elapsed_s = time.monotonic() - began_s

    assert answer.status == 201
    assert reason_of(daemon, "poor") == "host_limit"
    assert elapsed_s < 9  # it does not wait for the end of a shortage
    assert [step for step in steps_of(daemon, "poor") if "postponed" in step] == [
        "launch postponed: the host has run out of disk space or inodes"
    ]
    for file in taken:
        file.unlink()
    daemon.until("poor", "connected", within_s=30)


def test_a_launch_that_stays_impossible_is_given_up_and_tried_again(serve: Serve, few_inodes: Path) -> None:
    settings = {
        "SESSIONS_PATH": str(few_inodes / "sessions"),
        "MIN_FREE_DISK_BYTES": "0",
        "BOOT_TIMEOUT_S": "2",
        "BACKOFF_FIRST_S": "60",
    }
    daemon = serve(engine_env=SCANNED, settings=settings)
    take_all_inodes(few_inodes)

    daemon.ask("POST", "/v1/sessions", {"session_id": "poor"})
    daemon.until("poor", "restarting", within_s=20)

    assert reason_of(daemon, "poor") == "host_limit"
