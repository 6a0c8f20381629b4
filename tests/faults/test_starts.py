"""Many starts at once, and starts for which the host has no room."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually
from tests.faults.programs import COMMAND, running
from tests.watcher.images import png

Serve = Callable[..., Daemon]

COUNT = 20
PLENTY = str(10**15)


@pytest.mark.slow
def test_many_engines_that_work_hard_to_boot_come_up_without_one_timeout(serve: Serve) -> None:
    daemon = serve(
        engine_env={**SCANNED, "SIM_BOOT_CPU_S": "0.3"}, settings={"START_CONCURRENCY": "2", "BOOT_TIMEOUT_S": "6"}
    )
    names = [f"s{number}" for number in range(COUNT)]
    for name in names:
        daemon.create(name)

    queued = daemon.ask("GET", "/readyz?verbose").body["sessions"]
    for name in names:
        daemon.until(name, "connected", within_s=50)

    assert isinstance(queued, dict)
    assert int(str(queued["queued"])) > 0
    assert daemon.ask("GET", "/v1/events?type=session.crashed&limit=10").body["events"] == []


#: Shows a code as soon as it runs, and nothing more.
SHOWS_A_CODE = f"""
pathlib.Path("code.part").write_bytes(bytes.fromhex("{png(b"code").hex()}"))
pathlib.Path("code.part").rename("qr.png")
signal.pause()
"""


def test_the_code_of_an_engine_that_had_to_queue_is_seen(serve: Serve) -> None:
    daemon = serve(settings={**COMMAND, "START_CONCURRENCY": "1", "START_SPACING_S": "3"})
    daemon.create("first", **running("signal.pause()"))
    daemon.create("second", **running(SHOWS_A_CODE))
    daemon.ask("DELETE", "/v1/sessions/first")  # from here on nobody's code is awaited

    shown = daemon.ask("GET", "/v1/sessions/second/qr?wait=20")

    assert (shown.status, shown.number("attempt")) == (200, 1)


@pytest.mark.parametrize("has_rebooted", [False, True])
def test_of_engines_that_went_with_their_daemon_those_connected_last_start_first(
    serve: Serve, has_rebooted: bool
) -> None:
    daemon = serve(engine_env=SCANNED)
    names = ["first", "second", "third", "fourth"]
    for name in names:
        daemon.create(name)
        daemon.until(name, "connected")

    daemon.kill()
    for pid in engines_below(daemon.home):
        os.kill(pid, signal.SIGKILL)
    if has_rebooted:
        with closing(sqlite3.connect(daemon.home / "manager.db")) as database, database:
            database.execute("UPDATE launch SET boot_id = 'the boot before this one'")
    daemon._settings |= {"START_CONCURRENCY": "1", "START_SPACING_S": "0.1"}
    daemon.start()

    sessions = [daemon.until(name, "connected").body for name in names]
    assert [each["session_id"] for each in sorted(sessions, key=started_at)] == ["fourth", "third", "second", "first"]
    assert daemon.ask("GET", "/v1/events?type=session.crashed&limit=10").body["events"] == []


def started_at(session: dict[str, Json]) -> str:
    return str(session["started_at"])


@pytest.mark.parametrize(
    ("setting", "code"), [("MIN_FREE_MEMORY_BYTES", "memory_low"), ("MIN_FREE_DISK_BYTES", "disk_full")]
)
def test_a_host_without_room_delays_a_start_says_why_and_makes_up_for_it(serve: Serve, setting: str, code: str) -> None:
    daemon = serve(engine_env=SCANNED, settings={setting: PLENTY})

    daemon.create("acme")
    reason = eventually(lambda: found if (found := reason_of(daemon))["code"] == code else None)
    status = daemon.session("acme").body["status"]
    daemon.kill()
    daemon._settings |= {setting: "0"}
    daemon.start()

    assert (status, daemon.session("acme").body["desired"]) == ("creating", "running")
    assert "are kept free" in str(reason["detail"])
    daemon.until("acme", "connected")


def reason_of(daemon: Daemon, name: str = "acme") -> dict[str, Json]:
    reason = daemon.session(name).body["reason"]
    return reason if isinstance(reason, dict) else {"code": None}


def test_a_row_that_cannot_be_read_keeps_neither_the_daemon_nor_another_session_from_starting(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    for name in ("damaged", "other"):
        daemon.create(name)
        daemon.until(name, "connected")
    daemon.ask("POST", "/v1/sessions/damaged/stop")
    daemon.until("damaged", "stopped")
    daemon.kill()
    with closing(sqlite3.connect(daemon.home / "manager.db")) as database, database:
        database.execute("UPDATE session SET restarts = '{' WHERE session_id = 'damaged'")

    daemon.start()

    daemon.until("other", "connected")
    damaged = daemon.session("damaged").body
    assert (damaged["status"], reason_of(daemon, "damaged")["code"]) == ("failed", "internal_error")
    daemon.ask("POST", "/v1/sessions/damaged/start")
    daemon.until("damaged", "connected")


def test_a_session_whose_program_was_missing_starts_once_it_is_there(serve: Serve, tmp_path: Path) -> None:
    program = tmp_path / "engine"
    daemon = serve(settings={"COMMAND_ARGV": json.dumps([str(program)]), "ENGINE": "command"})
    daemon.create("acme", engine="command")
    daemon.until("acme", "failed")
    assert (reason_of(daemon)["code"], daemon.registry()) == ("launch_failed", {})

    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)

    eventually(lambda: daemon.registry().get("acme"))
