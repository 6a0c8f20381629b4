"""A live engine in a session's directory, met when the session is to start: taken over if it is proven ours."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from openwa_manager.processes.reading.identity import environment_of, live_identity_of
from tests.e2e.peers.daemon import SCANNED, Answer, Daemon, engines_below, eventually
from tests.e2e.peers.former import start_engine
from tests.fakes.ports import free_ports, is_free
from tests.fakes.process import ending

Serve = Callable[..., Daemon]


@dataclass
class Stray:
    """An engine that another daemon launched, and that ours does not know."""

    port: int = field(default_factory=lambda: free_ports(1)[0])
    launch_id: str = field(default_factory=lambda: os.urandom(16).hex())
    pid: int = 0

    def start(self, directory: Path, lock: Path, *, written: bool = False, **own: str) -> int:
        """Start it, and return its PID once it listens."""
        lock.parent.mkdir(parents=True, exist_ok=True)
        own = {"PORT": str(self.port), "OPENWA_MANAGER_LAUNCH_ID": self.launch_id, **own}
        self.pid = start_engine(directory, lock, own, f"{self.launch_id}\n" if written else "")
        eventually(lambda: not is_free(self.port), within_s=60)
        return self.pid


def lock_beside(daemon: Daemon) -> Path:
    return daemon.home / "sessions" / ".locks" / "acme"


def lock_of_another_home(daemon: Daemon) -> Path:
    return daemon.home.with_name("another") / "locks" / "acme.lock"


@pytest.fixture
def daemon(serve: Serve) -> Daemon:
    return serve(engine_env=SCANNED)


@pytest.fixture
def stopped(daemon: Daemon) -> Daemon:
    """Make a daemon with one session that was never started."""
    daemon.create("acme", desired="stopped")
    (daemon.home / "sessions" / "acme").mkdir(exist_ok=True)
    return daemon


def steps_of(daemon: Daemon) -> list[tuple[str, str]]:
    steps = daemon.ask("GET", "/v1/sessions/acme/why").body["steps"]
    assert isinstance(steps, list)
    return [(str(step["stimulus"]), str(step["decision"])) for step in steps if isinstance(step, dict)]


@pytest.mark.parametrize(
    ("lock_of", "written"), [(lock_beside, True), (lock_of_another_home, False)], ids=["beside", "another home"]
)
def test_a_start_adopts_the_engine_that_another_daemon_left(
    stopped: Daemon, lock_of: Callable[[Daemon], Path], written: bool
) -> None:
    stray = Stray()
    pid = stray.start(stopped.home / "sessions" / "acme", lock_of(stopped), written=written)

    started = stopped.ask("POST", "/v1/sessions/acme/start")
    stopped.until("acme", "connected")

    assert (started.status, started.body["pid"], started.body["port"]) == (202, pid, stray.port)
    assert engines_below(stopped.home) == [pid]
    assert ("running engine found", "adopted") in steps_of(stopped)
    assert stopped.ask("POST", "/v1/sessions/acme/stop?wait=20").body["status"] == "stopped"
    assert live_identity_of(pid) is None


def test_an_adopted_engine_outlives_the_daemon_and_becomes_a_new_one_at_its_next_launch(stopped: Daemon) -> None:
    pid = Stray().start(stopped.home / "sessions" / "acme", lock_of_another_home(stopped))
    stopped.ask("POST", "/v1/sessions/acme/start")
    stopped.until("acme", "connected")

    stopped.kill()
    stopped.start()
    stopped.until("acme", "connected")
    adopted = stopped.registry()
    os.kill(pid, signal.SIGKILL)
    renewed = eventually(lambda: found if (found := stopped.session("acme").body)["socket"] else None)
    stopped.until("acme", "connected")

    assert adopted == {"acme": pid}
    assert renewed["port"] is None
    assert len(engines_below(stopped.home)) == 1


def test_a_start_adopts_an_engine_whose_lock_file_was_removed(stopped: Daemon) -> None:
    pid = Stray().start(stopped.home / "sessions" / "acme", lock_beside(stopped), written=True)
    lock_beside(stopped).unlink()

    stopped.ask("POST", "/v1/sessions/acme/start")
    stopped.until("acme", "connected")

    assert stopped.registry() == {"acme": pid}
    assert engines_below(stopped.home) == [pid]


def test_a_restart_ends_the_engine_that_was_found_and_starts_a_new_one(stopped: Daemon) -> None:
    pid = Stray().start(stopped.home / "sessions" / "acme", lock_of_another_home(stopped))

    stopped.ask("POST", "/v1/sessions/acme/restart")
    stopped.until("acme", "connected")

    assert live_identity_of(pid) is None
    assert engines_below(stopped.home) == list(stopped.registry().values())


def test_a_session_that_is_made_over_a_directory_with_a_live_engine_adopts_it(daemon: Daemon) -> None:
    pid = Stray().start(daemon.home / "sessions" / "acme", lock_of_another_home(daemon))

    made = daemon.create("acme")
    daemon.until("acme", "connected")

    assert (made.status, made.body["pid"]) == (201, pid)
    assert engines_below(daemon.home) == [pid]


def test_an_engine_found_after_a_crash_gets_no_second_one_beside_it(daemon: Daemon) -> None:
    daemon.create("acme")
    daemon.until("acme", "connected")
    engine = live_identity_of(daemon.registry()["acme"])
    assert engine is not None
    key = environment_of(engine)["API_MASTER_KEY"]
    pid = Stray().start(daemon.home / "sessions" / "acme", lock_of_another_home(daemon), API_MASTER_KEY=key)

    os.kill(engine.pid, signal.SIGKILL)
    eventually(lambda: daemon.registry() == {"acme": pid})
    daemon.until("acme", "connected")

    assert engines_below(daemon.home) == [pid]


def test_a_deletion_ends_the_engine_that_another_daemon_left(stopped: Daemon) -> None:
    pid = Stray().start(stopped.home / "sessions" / "acme", lock_of_another_home(stopped))

    assert stopped.ask("DELETE", "/v1/sessions/acme").status == 204
    assert live_identity_of(pid) is None
    assert not (stopped.home / "sessions" / "acme").exists()


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: live_identity_of(pid) is None)


def assert_refused(refused: Answer, pid: int) -> None:
    """Assert that the answer names the process that is in the way, and how to end it."""
    assert (refused.status, refused.body["code"]) == (409, "session_owned_elsewhere")
    assert f"kill {pid}" in str(refused.body["detail"])
    assert " s: " in str(refused.body["detail"])


def test_an_engine_that_refuses_the_key_it_was_started_with_is_not_adopted(stopped: Daemon) -> None:
    directory, stray = stopped.home / "sessions" / "acme", Stray()
    end(stray.start(directory, lock_of_another_home(stopped)))
    pid = stray.start(directory, lock_of_another_home(stopped), API_MASTER_KEY="k" * 40)

    refused = stopped.ask("POST", "/v1/sessions/acme/start")

    assert_refused(refused, pid)
    assert engines_below(stopped.home) == [pid]
    end(pid)


@contextmanager
def openwa_by_hand(directory: Path, environ: Mapping[str, str]) -> Iterator[int]:
    """Run what looks like `node dist/main` in a session's directory, as somebody at a terminal does; yield its PID."""
    main = directory / "dist" / "main"
    main.parent.mkdir(parents=True)
    node = directory.parent.with_name("node")
    node.symlink_to(os.path.realpath(sys.executable))
    main.write_text("import runpy; runpy.run_module('openwa_manager.simulator', run_name='__main__')\n")
    port = free_ports(1)[0]
    own = {"PATH": os.environ["PATH"], "PORT": str(port), "API_MASTER_KEY": "k" * 40, **environ}
    own["PYTHONPATH"] = str(Path(__file__).parents[2])
    program = subprocess.Popen([node, "dist/main"], cwd=directory, env=own, stderr=subprocess.DEVNULL)
    with ending(program) as process:
        eventually(lambda: not is_free(port), within_s=60)
        yield process.pid
        process.kill()


BY_HAND = pytest.mark.parametrize(
    "environ", [{}, {"OPENWA_MANAGER_LAUNCH_ID": "copied"}], ids=["plain", "with a launch id"]
)


@BY_HAND
@pytest.mark.parametrize("verb", ["start", "restart"])
def test_no_engine_is_started_beside_an_openwa_that_was_started_by_hand(
    stopped: Daemon, verb: str, environ: Mapping[str, str]
) -> None:
    with openwa_by_hand(stopped.home / "sessions" / "acme", environ) as pid:
        refused = stopped.ask("POST", f"/v1/sessions/acme/{verb}")

        assert_refused(refused, pid)
        assert "node dist/main" in str(refused.body["detail"])
        assert engines_below(stopped.home) == [pid]


def test_no_session_is_made_to_run_over_a_directory_with_somebody_elses_engine(daemon: Daemon) -> None:
    wanted = {"session_id": "acme"}
    with openwa_by_hand(daemon.home / "sessions" / "acme", {}) as pid:
        refused = daemon.ask("POST", "/v1/sessions", {**wanted})

        assert_refused(refused, pid)
        assert daemon.ask("GET", "/v1/sessions/acme").status == 404
        assert daemon.ask("POST", "/v1/sessions", {**wanted, "desired": "stopped"}).status == 201

    daemon.ask("POST", "/v1/sessions/acme/start")
    daemon.until("acme", "connected")


def test_the_engine_of_a_session_that_was_moved_here_is_ours_to_end(daemon: Daemon, tmp_path: Path) -> None:
    with Daemon(home=tmp_path / "elsewhere", engine_env=SCANNED) as other:
        other.create("acme")
        other.until("acme", "connected")
        pid = other.registry()["acme"]
        other.kill()

        shutil.move(other.home / "sessions" / "acme", daemon.home / "sessions" / "acme")
        made = daemon.create("acme")

        assert made.body["pid"] == pid
        assert engines_below(daemon.home) == [pid]
        assert daemon.ask("DELETE", "/v1/sessions/acme").status == 204
        assert live_identity_of(pid) is None
        other.start()


def test_an_engine_that_cannot_reach_the_intake_any_more_is_named_and_can_after_a_restart(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    daemon.kill()

    daemon.start(settings={"INTAKE_LISTEN": f"127.0.0.1:{free_ports(1)[0]}"})
    eventually(lambda: "engine_posts_elsewhere" in daemon.log)
    daemon.ask("POST", "/v1/sessions/acme/restart?wait=20")
    daemon.until("acme", "connected")

    assert daemon.log.count("engine_posts_elsewhere") == 1
