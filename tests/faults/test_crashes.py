"""Engines that do not come up, do not stay up or do not go down; and places that are not as they should be."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.processes.reading.identity import environment_of, live_identity_of
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.e2e.peers.upstream import Upstream
from tests.faults.programs import COMMAND, running

BOOT_TIMEOUT_S = 5.0


@pytest.fixture(scope="module")
def daemon(share: Callable[..., Daemon], backend: Upstream) -> Daemon:
    patience = {
        "BOOT_TIMEOUT_S": str(BOOT_TIMEOUT_S),
        "CRASH_LOOP_COUNT": "3",
        "SLOW_RETRY_S": "1",
        "STOP_GRACE_S": "0.5",
        "NODE": "/nowhere/node",
    }
    return share(engine_env={"SIM_OPEN_S": "0.05"}, settings={**COMMAND, **backend.settings, **patience})


def reason_of(daemon: Daemon, session_id: str) -> dict[str, Json]:
    reason = daemon.session(session_id).body["reason"]
    assert isinstance(reason, dict)
    return reason


def create(daemon: Daemon, session_id: str, **env: str) -> None:
    daemon.create(session_id, env=env)


def of(backend: Upstream, session_id: str, event_type: str) -> list[Json]:
    return [event["reason"] for event in backend.of(session_id, event_type)]


def test_a_crash_loop_fails_with_one_event_and_is_then_tried_slowly(daemon: Daemon, backend: Upstream) -> None:
    create(daemon, "loop", SIM_EXIT_AT_BOOT="3")

    daemon.until("loop", "failed")
    crashed = eventually(lambda: crashes if len(crashes := backend.of("loop", "session.crashed")) >= 5 else None)

    assert reason_of(daemon, "loop")["code"] == "crash_loop"
    assert [event["exit_code"] for event in crashed] == [3] * len(crashed)
    assert len(backend.of("loop", "session.failed")) == 1
    restarts = daemon.session("loop").body["restarts"]
    assert isinstance(restarts, dict)
    assert restarts["last_reason"] == "engine_exited"


def test_a_session_that_has_failed_is_deleted_at_once_and_its_id_is_free(daemon: Daemon) -> None:
    create(daemon, "loop", SIM_EXIT_AT_BOOT="3")
    daemon.until("loop", "failed")

    deleted = daemon.ask("DELETE", "/v1/sessions/loop")

    assert deleted.status == 204
    eventually(lambda: daemon.ask("GET", "/v1/sessions").body["sessions"] == [])
    eventually(lambda: daemon.ask("POST", "/v1/sessions", {"session_id": "loop", "desired": "stopped"}).status == 201)


def test_an_engine_that_takes_too_long_to_boot_is_ended(daemon: Daemon, backend: Upstream) -> None:
    create(daemon, "slowboot", SIM_BOOT_S="60")

    eventually(lambda: of(backend, "slowboot", "session.crashed"))

    assert of(backend, "slowboot", "session.crashed")[0] == "boot_timeout"


def test_a_missing_program_is_named_and_tried_again_slowly(daemon: Daemon, backend: Upstream) -> None:
    daemon.create("missing", engine="openwa")

    daemon.until("missing", "failed")

    assert reason_of(daemon, "missing")["code"] == "launch_failed"
    assert "/nowhere/node" in str(reason_of(daemon, "missing")["detail"])
    assert len(backend.of("missing", "session.failed")) <= 1


def test_an_engine_that_is_deaf_to_sigterm_is_killed(daemon: Daemon) -> None:
    create(daemon, "deaf", SIM_DEAF="1")
    daemon.until("deaf", "qr_ready")

    stopped = daemon.ask("POST", "/v1/sessions/deaf/stop?wait=20")

    assert stopped.body["status"] == "stopped"
    assert "deaf" not in daemon.registry()


#: What an OpenWA does that finds its port taken, and otherwise: it listens, and says that it is connected.
LISTENING = """
import errno, socket
wait_for("go")
try:
    server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
except OSError as error:
    sys.exit(errno.errorcode[error.errno])
post("session.connected", phone_number="85212345678")
signal.pause()
"""


def test_a_port_that_was_taken_meanwhile_costs_one_launch(daemon: Daemon, backend: Upstream) -> None:
    daemon.create("port", **running(LISTENING))
    port = eventually(lambda: daemon.session("port").body["port"])
    assert isinstance(port, int)

    with socket.create_server(("127.0.0.1", port)):
        (daemon.home / "sessions" / "port" / "go").touch()
        eventually(lambda: of(backend, "port", "session.crashed"))
        second = eventually(lambda: daemon.session("port").body["port"])
        daemon.until("port", "connected")

    assert of(backend, "port", "session.crashed") == ["port_in_use"]
    assert second != port


def test_a_stranger_on_the_number_of_an_engine_that_listens_on_a_socket_is_nothing_to_it(daemon: Daemon) -> None:
    create(daemon, "number", SIM_BOOT_S="0.5", SIM_AUTO_SCAN_S="0.1")
    pid = eventually(lambda: daemon.session("number").body["pid"])
    assert isinstance(pid, int)
    identity = live_identity_of(pid)
    assert identity is not None

    with socket.create_server(("127.0.0.1", int(environment_of(identity)["PORT"]))):
        session = daemon.until("number", "connected").body

    assert (session["pid"], session["port"]) == (pid, None)


def test_the_socket_of_an_engine_is_gone_with_it(daemon: Daemon) -> None:
    create(daemon, "gone")
    socket_path = Path(daemon.until("gone", "qr_ready").text("socket"))
    was_there = socket_path.is_socket()

    daemon.steer("gone", "crash")
    again = eventually(lambda: found if (found := daemon.session("gone").body["socket"]) != str(socket_path) else None)
    daemon.until("gone", "qr_ready")
    daemon.ask("DELETE", "/v1/sessions/gone")

    assert was_there
    assert not socket_path.parent.exists()
    assert not Path(str(again)).parent.exists()


def test_a_half_written_code_is_never_pushed(daemon: Daemon, backend: Upstream) -> None:
    program = """
import base64
whole = base64.b64decode(os.environ["IMAGE"])
pathlib.Path("qr.png").write_bytes(whole[:len(whole) // 2])
wait_for("go")
pathlib.Path("qr.png").write_bytes(whole)
signal.pause()
"""
    daemon.create("source", wait_for="qr")
    image = str(daemon.ask("GET", "/v1/sessions/source/qr?format=json").body["qr_base64"])
    whole: dict[str, Json] = {"engine": "command", "env": {"PROGRAM": program, "IMAGE": image}}
    daemon.create("torn", **whole)
    torn = daemon.home / "sessions" / "torn" / "qr.png"
    eventually(torn.exists)

    unseen = daemon.ask("GET", "/v1/sessions/torn/qr?wait=1")
    (torn.parent / "go").touch()
    pushed = eventually(lambda: backend.of("torn", "session.qr"))

    assert unseen.status == 204
    assert [event["qr_base64"] for event in pushed] == [image]


def test_a_code_torn_by_the_engine_itself_is_not_shown(daemon: Daemon, backend: Upstream) -> None:
    create(daemon, "tear", SIM_QR_FILE="1")
    daemon.until("tear", "qr_ready")
    before = eventually(lambda: backend.of("tear", "session.qr"))

    daemon.steer("tear", "torn-qr")
    shown = daemon.ask("GET", "/v1/sessions/tear/qr?format=json").body["qr_base64"]

    assert shown == before[-1]["qr_base64"]
    assert len(backend.of("tear", "session.qr")) == len(before)


def test_a_session_whose_directory_was_deleted_comes_back_in_a_new_one(daemon: Daemon) -> None:
    create(daemon, "swept")
    daemon.until("swept", "qr_ready")
    pid = daemon.registry()["swept"]
    directory = daemon.home / "sessions" / "swept"

    shutil.rmtree(directory)
    health = daemon.ask("GET", "/v1/sessions/swept/health").body["checks"]
    os.kill(pid, signal.SIGKILL)

    eventually(lambda: daemon.registry().get("swept") not in (None, pid))
    daemon.until("swept", "qr_ready")
    assert isinstance(health, list)
    assert {"name": "directory", "is_ok": False, "detail": "is gone", "evidence": {"path": str(directory)}} in health
    assert directory.is_dir()
    assert daemon.ask("POST", "/v1/sessions/swept/stop?wait=20").body["status"] == "stopped"


def test_a_directory_that_cannot_be_written_is_named_and_the_session_recovers(daemon: Daemon) -> None:
    daemon.create("blocked", desired="stopped")
    blocked = daemon.home / "sessions" / "blocked"
    shutil.rmtree(blocked, ignore_errors=True)
    blocked.write_text("a file where a directory should be")

    daemon.ask("POST", "/v1/sessions/blocked/start?wait=0")
    daemon.until("blocked", "failed")
    reason = reason_of(daemon, "blocked")
    blocked.unlink()

    assert reason["code"] == "launch_failed"
    assert str(blocked) in str(reason["detail"])
    daemon.until("blocked", "qr_ready")


def test_a_neighbour_of_all_this_was_never_disturbed(share: Callable[..., Daemon], daemon: Daemon) -> None:
    del share
    create(daemon, "calm", **SCANNED)
    daemon.until("calm", "connected")
    create(daemon, "wild", SIM_EXIT_AT_BOOT="1")

    daemon.until("wild", "failed")

    assert json.loads(daemon.ask("GET", "/v1/sessions/calm").raw)["restarts"]["count"] == 0
