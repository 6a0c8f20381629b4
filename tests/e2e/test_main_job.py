"""The main job from the outside: create, show the code, connect, heal, stop, delete; and tell the backend of it all."""

import base64
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.png import is_whole_png
from tests.e2e.peers.daemon import SCANNED, Daemon, engines_below, eventually, steer
from tests.e2e.peers.upstream import Upstream
from tests.fakes.process import ending

Serve = Callable[..., Daemon]


def why(daemon: Daemon) -> bytes:
    return daemon.ask("GET", "/v1/sessions/acme/why").raw


def numbers_of(events: list[dict[str, Json]]) -> list[Json]:
    return [event["seq"] for event in events if event["seq"] is not None]


def test_a_session_lives_its_whole_life_and_the_backend_hears_all_of_it(serve: Serve, upstream: Upstream) -> None:
    daemon = serve(settings=upstream.settings)
    name = "user_1_session_550e8400-e29b-41d4-a716-446655440000"

    created = daemon.create(name, wait_for="qr").body
    daemon.steer(name, "scan")
    connected = daemon.until(name, "connected").body
    os.kill(daemon.registry()[name], signal.SIGKILL)
    eventually(lambda: upstream.of(name, "session.restarted"))
    daemon.until(name, "connected")
    daemon.ask("POST", f"/v1/sessions/{name}/stop?wait=20")
    deleted = daemon.ask("DELETE", f"/v1/sessions/{name}")
    told = eventually(
        lambda: events if (events := upstream.of(name)) and events[-1]["type"] == "session.deleted" else None
    )

    assert is_whole_png(base64.b64decode(str(created["qr_base64"])))
    assert created["user_id"] == "1"
    assert connected["phone_number"]
    assert deleted.status == 204
    assert numbers_of(told) == list(range(1, len(numbers_of(told)) + 1))
    assert [event["type"] for event in told if event["type"] not in ("session.status", "session.qr")] == [
        "session.created",
        "session.connected",
        "session.disconnected",
        "session.crashed",
        "session.restarted",
        "session.connected",
        "session.disconnected",
        "session.stopped",
        "session.deleted",
    ]
    assert [e["status"] for e in told if e["type"] == "session.status"] == [
        *("creating", "qr_ready", "authenticating", "connected"),
        *("restarting", "creating", "connected", "stopping", "stopped", "stopping"),
    ]
    assert upstream.of(name, "session.qr")[0]["qr_base64"] == created["qr_base64"]
    assert not engines_below(daemon.home)
    assert not (daemon.home / "sessions" / name).exists()


def test_the_code_lies_in_the_session_directory_until_it_is_scanned(serve: Serve) -> None:
    daemon = serve()
    created = daemon.create("acme", wait_for="qr").body
    file = daemon.home / "sessions" / "acme" / "qr.png"

    shown = file.read_bytes()
    mode = file.stat().st_mode & 0o777
    daemon.steer("acme", "scan")
    daemon.until("acme", "connected")

    assert base64.b64encode(shown).decode() == created["qr_base64"]
    assert mode == 0o600
    assert not file.exists()


def test_a_daemon_that_is_killed_leaves_its_engines_and_the_next_one_adopts_them(
    serve: Serve, upstream: Upstream
) -> None:
    daemon = serve(settings=upstream.settings, engine_env=SCANNED)
    names = [f"user_{number}_session_x" for number in range(20)]
    for name in names:
        daemon.create(name)
    for name in names:
        daemon.until(name, "connected", within_s=40)
    eventually(lambda: all(upstream.of(name, "session.connected") for name in names))
    before = daemon.registry()
    told_before = {name: len(upstream.of(name)) for name in names}

    daemon.kill()
    daemon.start()

    assert daemon.registry() == before
    assert sorted(engines_below(daemon.home)) == sorted(before.values())
    assert all(daemon.session(name).body["status"] == "connected" for name in names)
    assert {name: len(upstream.of(name)) for name in names} == told_before
    os.kill(before[names[7]], signal.SIGKILL)
    eventually(lambda: daemon.registry().get(names[7]) not in (None, before[names[7]]))
    daemon.until(names[7], "connected")
    assert len(engines_below(daemon.home)) == 20


def test_an_engine_that_died_while_no_daemon_ran_is_replaced(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    pid = daemon.registry()["acme"]

    daemon.kill()
    os.kill(pid, signal.SIGKILL)
    daemon.start()

    connected = daemon.until("acme", "connected").body
    assert connected["pid"] != pid
    assert len(engines_below(daemon.home)) == 1


def test_stopping_the_daemon_leaves_the_engines_running(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    before = daemon.registry()

    exit_code = daemon.terminate()
    daemon.start()

    assert exit_code == 0
    assert daemon.registry() == before


def test_a_stopped_session_stays_stopped_over_a_restart_of_the_daemon(serve: Serve) -> None:
    daemon = serve()
    daemon.create("acme")
    daemon.ask("POST", "/v1/sessions/acme/stop?wait=20")

    daemon.kill()
    daemon.start()

    assert daemon.session("acme").body["status"] == "stopped"
    assert not engines_below(daemon.home)


def test_events_for_a_backend_that_was_away_arrive_later_in_order(serve: Serve, upstream: Upstream) -> None:
    daemon = serve(settings={**upstream.settings, "DELIVERY_SCHEDULE_S": "[0.2, 0.2, 0.2, 0.5, 0.5, 0.5, 1, 1, 1, 1]"})
    upstream.__exit__(None, None, None)

    daemon.create("acme", wait_for="qr")
    daemon.ask("POST", "/v1/sessions/acme/stop?wait=20")
    daemon.kill()
    upstream.__enter__()
    daemon.start()

    told = eventually(lambda: events if len(events := upstream.of("acme")) >= 5 else None, within_s=40)
    assert numbers_of(told) == list(range(1, len(numbers_of(told)) + 1))


def test_a_second_daemon_on_the_same_home_refuses_and_names_the_first(serve: Serve) -> None:
    daemon = serve()
    assert daemon.process is not None
    first = daemon.process

    daemon.start(wait=False)
    second = daemon.process

    assert second.wait(20) == 1
    assert f"already_running: a daemon with pid {first.pid} owns this home" in daemon.log
    daemon.process = first
    assert daemon.ask("GET", "/livez").status == 200


def test_a_pid_that_now_belongs_to_a_stranger_is_never_signalled(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    daemon.kill()
    os.kill(engines_below(daemon.home)[0], signal.SIGKILL)
    with ending(subprocess.Popen(["/bin/sleep", "60"])) as stranger:
        with sqlite3.connect(daemon.home / "manager.db") as database:
            database.execute("UPDATE launch SET pid = ?", (stranger.pid,))
        database.close()

        daemon.start()
        daemon.until("acme", "connected")
        daemon.ask("DELETE", "/v1/sessions/acme")

        assert stranger.poll() is None
        stranger.kill()


def test_a_session_made_again_over_its_kept_data_is_linked_without_a_scan(serve: Serve) -> None:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    daemon.ask("DELETE", "/v1/sessions/acme?keep_data=true")

    daemon.create("acme")

    assert daemon.until("acme", "connected").body["qr"] is None


def test_whoever_waits_when_the_daemon_stops_is_told_so(serve: Serve) -> None:
    daemon = serve(engine_env={"SIM_QR_DELAY_S": "60"})
    daemon.create("acme")
    daemon.until("acme", "creating")

    with ThreadPoolExecutor() as callers:
        waiting = callers.submit(daemon.ask, "GET", "/v1/sessions/acme/qr?wait=60")
        time.sleep(0.5)  # the request is under way
        exit_code = daemon.terminate()

    assert exit_code == 0
    assert waiting.result().status == 503
    assert waiting.result().body["code"] == "draining"


def test_what_an_engine_gave_up_posting_while_no_daemon_ran_is_said(serve: Serve) -> None:
    daemon = serve(engine_env={**SCANNED, "WEBHOOK_RETRY_DELAY": "20"})
    daemon.create("acme")
    socket = Path(daemon.until("acme", "connected").text("socket"))
    daemon.kill()

    steer(socket, "receive?from=628111&text=hello")
    time.sleep(2)  # five tries, 20 to 80 ms apart
    daemon.start()

    eventually(lambda: b"posts of the engine were lost while nobody listened" in why(daemon))
    assert b'"events":"message.received"' in why(daemon)
