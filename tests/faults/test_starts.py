"""Many starts at once, and starts for which the host has no room."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

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


#: Stands for node: writes down which build it was told to run, and plays OpenWA.
NODE_THAT_TELLS = """#!/bin/sh
[ "$1" = --version ] && echo v24.1.0 && exit
readlink -f "$3.js" > build
exec {python} -m openwa_manager.simulator
"""


def make_build(home: Path) -> None:
    (home / "dist").mkdir(parents=True)
    (home / "dist" / "main.js").touch()


def test_restarts_follow_a_release_link_that_moved_and_wait_for_one_that_is_missing(
    serve: Serve, tmp_path: Path
) -> None:
    node, current, first, second = (tmp_path / name for name in ("node", "current", "first", "second"))
    node.write_text(NODE_THAT_TELLS.format(python=sys.executable))
    node.chmod(0o755)
    make_build(first)
    make_build(second)
    current.symlink_to(first)
    settings = {"NODE": str(node), "OPENWA_HOME": str(current), "ENGINE_ISOLATION": "none"}
    daemon = serve(engine="openwa", engine_env=SCANNED, settings=settings)
    daemon.create("acme")
    before = daemon.until("acme", "connected").number("pid")
    build = daemon.home / "sessions" / "acme" / "build"
    was_run = build.read_text().strip()

    current.unlink()
    os.kill(before, signal.SIGKILL)
    missing = daemon.until("acme", "failed").body["reason"]
    shutil.rmtree(first)
    current.symlink_to(second)

    daemon.until("acme", "connected")
    assert isinstance(missing, dict)
    assert (missing["code"], f"{current}/dist/main.js is missing" in str(missing["detail"])) == ("launch_failed", True)
    assert was_run == str(first / "dist" / "main.js")
    assert build.read_text().strip() == str(second / "dist" / "main.js")


def test_hosts_that_the_admin_allows_engines_come_on_top_of_ours(serve: Serve) -> None:
    daemon = serve(engine_env={**SCANNED, "SSRF_ALLOWED_HOSTS": "media.example"})
    daemon.create("acme")
    daemon.until("acme", "connected")

    daemon.steer("acme", "receive")

    eventually(lambda: daemon.ask("GET", "/v1/events?type=message.received&limit=1").body["events"])


@pytest.mark.parametrize("name", ["PORT", "API_MASTER_KEY", "OPENWA_MANAGER_SOCKET"])
def test_what_every_engine_is_given_cannot_be_changed_for_all(serve: Serve, name: str) -> None:
    with pytest.raises(AssertionError, match=f"engine_env .*: {name} is what every engine is given"):
        serve(engine_env={name: "1"})


def test_a_daemon_says_at_its_start_what_engines_would_run_and_config_check_the_same(
    serve: Serve, tmp_path: Path
) -> None:
    node, build = tmp_path / "node", tmp_path / "openwa"
    make_build(build)
    (build / "package.json").write_text('{"version": "0.23.1"}')
    node.write_text("#!/bin/sh\necho v24.1.0\n")
    node.chmod(0o755)
    daemon = serve(engine="openwa", settings={"NODE": str(node), "OPENWA_HOME": str(build)})

    told = eventually(lambda: news_of(daemon, "engine_program"))
    checked = checked_program(daemon)
    daemon.terminate()
    node.unlink()
    daemon.start()
    missing = eventually(lambda: news_of(daemon, "engine_program_missing"))

    assert (told["argv"], told["version"]) == (shlex.join(checked["argv"]), checked["version"])
    assert missing["detail"] == checked_program(daemon)["missing"]
    assert "set `node` to its path" in missing["detail"]


def news_of(daemon: Daemon, event: str) -> dict[str, str]:
    """Return the line of this event in the daemon's log; empty when there is none."""
    lines = (json.loads(line) for line in daemon.log.splitlines() if line.startswith("{"))
    return next((line for line in lines if line["event"] == event), {})


def checked_program(daemon: Daemon) -> dict[str, Any]:
    """Return what `config check` says of the program, with the settings of this daemon."""
    environ = {f"OPENWA_MANAGER_{name}": value for name, value in daemon._settings.items()}
    argv = [sys.executable, "-m", "openwa_manager", "--home", str(daemon.home), "config", "check", "--json"]
    own = {"PATH": os.environ["PATH"], "HOME": str(daemon.home)}
    told = subprocess.run(argv, env=environ | own, capture_output=True, text=True, timeout=60, check=True).stdout
    program: dict[str, Any] = json.loads(told)["program"]
    return program
