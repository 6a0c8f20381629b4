"""Locks, logs, databases and leftovers that are not as they should be; and codes at odd moments."""

import base64
import fcntl
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from openwa_manager.daemon import NEEDS_PERSON
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually
from tests.e2e.peers.upstream import Upstream
from tests.faults.programs import COMMAND, running
from tests.watcher.images import png

Serve = Callable[..., Daemon]

#: Shows a new code whenever told, as `qr.png` of the image in that file.
SHOWS_CODES = """
def show(name):
    wait_for(name)
    pathlib.Path(name).rename("qr.png")
show("first")
post("session.connected", phone_number="85212345678")
wait_for("lose")
post("session.disconnected", reason="unpaired")
show("second")
signal.pause()
"""
#: Leaves behind, when it is killed, a child of another session that hears nothing.
LEAVES_A_CHILD = """
if not pathlib.Path("orphan").exists():
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    lock = [number for number in range(3, 16) if os.path.exists(f"/dev/fd/{number}")] * LOCKED
    orphan = subprocess.Popen([sys.executable, "-c", child], start_new_session=True, pass_fds=lock)
    pathlib.Path("orphan").write_text(str(orphan.pid))
signal.pause()
"""


def test_a_lock_that_is_held_elsewhere_fails_its_session_and_holds_up_no_other(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED, settings={"START_CONCURRENCY": "1"})
    with (daemon.home / "sessions" / ".locks" / "owned").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        owned = daemon.ask("POST", "/v1/sessions", {"session_id": "owned"}).body
        daemon.create("other")
        daemon.until("other", "connected")

    assert owned["status"] == "failed"
    assert isinstance(owned["reason"], dict)
    assert owned["reason"]["code"] == "owned_elsewhere"


def test_a_code_shown_after_the_link_was_lost_is_seen(serve: Serve, upstream: Upstream) -> None:
    daemon = serve(settings={**COMMAND, **upstream.settings})
    daemon.create("own", **running(SHOWS_CODES))
    directory = daemon.home / "sessions" / "own"
    (directory / "first").write_bytes(png(b"first"))
    daemon.until("own", "connected")
    (directory / "lose").touch()
    daemon.until("own", "disconnected")

    (directory / "second").write_bytes(png(b"second"))

    image = base64.b64encode(png(b"second")).decode()
    eventually(lambda: any(event["qr_base64"] == image for event in upstream.of("own", "session.qr")))


def test_a_code_the_daemon_died_over_is_still_pushed(serve: Serve, upstream: Upstream) -> None:
    upstream.__exit__(None, None, None)
    daemon = serve(settings={**COMMAND, **upstream.settings})
    daemon.create("own", **running(SHOWS_CODES))
    (daemon.home / "sessions" / "own" / "first.part").write_bytes(png(b"first"))
    (daemon.home / "sessions" / "own" / "first.part").rename(daemon.home / "sessions" / "own" / "qr.png")
    daemon.until("own", "qr_ready")

    daemon.kill()
    upstream.__enter__()
    daemon.start()

    eventually(lambda: upstream.of("own", "session.qr"))


def test_a_log_that_is_no_file_stops_nobody(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    pid = daemon.until("acme", "connected").number("pid")
    log = daemon.home / "sessions" / "acme" / "logs" / "engine.log"
    log.unlink()
    os.mkfifo(log)

    empty = daemon.ask("GET", "/v1/sessions/acme/logs?tail=5")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: daemon.registry().get("acme") not in (None, pid))
    daemon.until("acme", "connected")

    assert (empty.status, empty.raw) == (200, b"")
    assert b"Starting Nest application" in daemon.ask("GET", "/v1/sessions/acme/logs?tail=100").raw


@pytest.mark.parametrize("is_locked", [False, True])
def test_what_a_crashed_engine_left_behind_is_ended_also_by_the_next_daemon(serve: Serve, is_locked: bool) -> None:
    daemon = serve(settings={**COMMAND, "BACKOFF_FIRST_S": "600", "BACKOFF_MAX_S": "600"})
    program = f"LOCKED = {is_locked}\n{LEAVES_A_CHILD}"
    pid = daemon.create("own", **running(program)).number("pid")
    file = daemon.home / "sessions" / "own" / "orphan"
    orphan = eventually(lambda: int(file.read_text() or 0) if file.exists() else 0)
    os.kill(pid, signal.SIGKILL)
    daemon.until("own", "restarting")

    daemon.kill()
    daemon.start()

    eventually(lambda: not psutil.pid_exists(orphan))
    assert daemon.session("own").body["status"] == "restarting"
    assert '"event": "database_lost"' not in daemon.log


@pytest.mark.parametrize(
    "names", [("manager.db-wal", "manager.db-shm"), ("manager.db", "manager.db-wal", "manager.db-shm")]
)
def test_an_emptied_database_forgets_no_live_engine(serve: Serve, names: tuple[str, ...]) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    before = daemon.registry()

    daemon.kill()
    for name in names:
        os.truncate(daemon.home / name, 0)
    daemon.start()

    daemon.until("acme", "connected")
    assert daemon.registry() == before
    assert '"event": "database_lost"' in daemon.log


def test_a_live_engine_whose_lock_was_removed_is_adopted_also_without_the_database(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    pid = daemon.until("acme", "connected").number("pid")

    for pattern in ("sessions/.locks/*", "manager.db*"):
        daemon.kill()
        for file in daemon.home.glob(pattern):
            file.unlink()
        daemon.start()
        daemon.until("acme", "connected")

        assert daemon.registry() == {"acme": pid}
    assert engines_below(daemon.home) == [pid]
    daemon.ask("POST", "/v1/sessions/acme/restart")
    successor = eventually(lambda: found if (found := daemon.registry().get("acme")) != pid else None)
    daemon.until("acme", "connected")
    assert engines_below(daemon.home) == [successor]


def test_two_homes_cannot_share_their_sessions(serve: Serve, tmp_path: Path) -> None:
    shared = {"SESSIONS_PATH": str(tmp_path / "shared")}
    serve(settings=shared)

    with pytest.raises(AssertionError, match="already_running"), Daemon(home=tmp_path / "other", settings=shared):
        pass


def test_a_database_of_a_newer_version_is_left_alone_and_the_log_names_the_copy_to_put_back(serve: Serve) -> None:
    daemon = serve()
    daemon.terminate()
    database, copy = daemon.home / "manager.db", daemon.home / "copies" / "before-migration-9999.db"
    copy.touch(mode=0o600)
    with closing(sqlite3.connect(database, isolation_level=None)) as newer:
        newer.execute("VACUUM INTO ?", (str(copy),))
        newer.execute("INSERT INTO migration VALUES (9999, '9999_later.sql', '')")

    daemon.start(wait=False)

    assert daemon.process is not None
    assert daemon.process.wait(20) == NEEDS_PERSON
    assert '"code": "schema_too_new"' in daemon.log
    assert f"cp -p {copy} {database}" in daemon.log
    copy.rename(database)
    daemon.start()
