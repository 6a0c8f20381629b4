"""One engine per session's directory, whichever daemon started it, and also if somebody started it by hand."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually
from tests.fakes.ports import free_ports
from tests.fakes.process import ending

Serve = Callable[..., Daemon]


@contextmanager
def started_by_hand(directory: Path) -> Iterator[int]:
    """Run a simulated OpenWA in a session's directory, as somebody at a terminal does; yield its pid."""
    environ = {"PATH": os.environ["PATH"], "PORT": str(free_ports(1)[0]), "API_MASTER_KEY": "k" * 40}
    program = [sys.executable, "-m", "openwa_manager.simulator"]
    directory.mkdir(exist_ok=True)
    with ending(subprocess.Popen(program, cwd=directory, env=environ, stderr=subprocess.DEVNULL)) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def stopped(serve: Serve) -> Daemon:
    """Make a daemon with one session that ran and was stopped."""
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    daemon.ask("POST", "/v1/sessions/acme/stop")
    daemon.until("acme", "stopped")
    return daemon


def reason_of(daemon: Daemon) -> Mapping[str, Json]:
    reason = daemon.session("acme").body["reason"]
    return reason if isinstance(reason, dict) else {}


def engines_finding(daemon: Daemon) -> str:
    """Return what the doctor says of engines that are not ours."""
    argv = [sys.executable, "-m", "openwa_manager", "doctor", "--home", str(daemon.home), "--json"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(daemon.home)}
    told = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False).stdout
    return json.dumps(next(each for each in json.loads(told)["findings"] if each["code"] == "engines"))


def test_a_daemon_with_another_home_takes_the_live_engine_over(serve: Serve, tmp_path: Path) -> None:
    sessions = {"SESSIONS_PATH": str(tmp_path / "sessions")}
    first = serve(settings=sessions, engine_env=SCANNED)
    first.create("acme")
    first.until("acme", "connected")
    engine = first.registry()["acme"]
    first.kill()

    second = Daemon(home=tmp_path / "second", settings=sessions, engine_env=SCANNED)
    with second:
        second.until("acme", "connected")

        assert second.registry() == {"acme": engine}
        second.ask("POST", "/v1/sessions/acme/start")
        assert second.registry() == {"acme": engine}
        second.ask("POST", "/v1/sessions/acme/restart")
        successor = eventually(lambda: found if (found := second.registry().get("acme")) != engine else None)
        second.until("acme", "connected")
        second.kill()

        first.start()
        first.until("acme", "connected")
        assert first.registry() == {"acme": successor}
        assert first.ask("DELETE", "/v1/sessions/acme").status == 204
        assert engines_below(tmp_path) == []


def test_beside_an_engine_that_was_started_by_hand_none_is_started(stopped: Daemon) -> None:
    with started_by_hand(stopped.home / "sessions" / "acme") as pid:
        refused = stopped.ask("POST", "/v1/sessions/acme/start")

        assert (refused.status, refused.text("code")) == (409, "session_owned_elsewhere")
        assert stopped.session("acme").body["status"] == "failed"
        assert reason_of(stopped)["code"] == "owned_elsewhere"
        assert f"kill {pid}" in str(reason_of(stopped)["detail"])
        assert "openwa_manager.simulator" in str(reason_of(stopped)["detail"])
        assert stopped.registry() == {}
        assert f"kill {pid}" in engines_finding(stopped)

    assert "fail" not in engines_finding(stopped)
    stopped.ask("POST", "/v1/sessions/acme/start")
    stopped.until("acme", "connected")


def test_a_session_is_not_deleted_under_an_engine_that_was_started_by_hand(stopped: Daemon) -> None:
    directory = stopped.home / "sessions" / "acme"
    with started_by_hand(directory):
        refused = stopped.ask("DELETE", "/v1/sessions/acme")

        assert (refused.status, refused.text("code")) == (409, "session_owned_elsewhere")
        assert stopped.session("acme").body["status"] == "stopped"
        assert directory.is_dir()

    assert stopped.ask("DELETE", "/v1/sessions/acme").status == 204


def test_a_deletion_waits_for_an_engine_that_was_started_by_hand_beside_ours(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    engine = daemon.until("acme", "connected").number("pid")
    directory = daemon.home / "sessions" / "acme"
    with started_by_hand(directory) as stranger, ThreadPoolExecutor(1) as callers:
        deleting = callers.submit(daemon.ask, "DELETE", "/v1/sessions/acme")
        eventually(lambda: reason_of(daemon).get("code") == "owned_elsewhere")
        alive, detail = engines_below(daemon.home), str(reason_of(daemon)["detail"])
        os.kill(stranger, signal.SIGKILL)
        answer = deleting.result(60)

    assert alive == [stranger]
    assert engine != stranger
    assert f"kill {stranger}" in detail
    assert answer.status in (202, 204)  # 202 if all this took longer than a caller waits
    eventually(lambda: daemon.ask("GET", "/v1/sessions/acme").status == 404)
    assert not directory.exists()


def test_an_engine_started_by_hand_after_a_crash_gets_no_second_one_beside_it(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED, settings={"BACKOFF_FIRST_S": "2"})
    daemon.create("acme")
    daemon.until("acme", "connected")

    os.kill(daemon.registry()["acme"], signal.SIGKILL)
    daemon.until("acme", "restarting")
    with started_by_hand(daemon.home / "sessions" / "acme"):
        daemon.until("acme", "failed")

        assert reason_of(daemon)["code"] == "owned_elsewhere"


def test_who_looks_at_a_log_in_the_directory_keeps_no_engine_from_starting(stopped: Daemon) -> None:
    directory = stopped.home / "sessions" / "acme"
    log = directory / "logs" / "engine.log"
    with ending(subprocess.Popen(["tail", "-f", log], cwd=directory, stdout=subprocess.DEVNULL)) as looking:
        stopped.ask("POST", "/v1/sessions/acme/start")
        stopped.until("acme", "connected")

        assert looking.poll() is None
        looking.kill()
