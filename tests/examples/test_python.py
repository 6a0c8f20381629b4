"""The Python examples, run as their readers will run them, against the real daemon."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from openwa_manager.domain.session.png import is_whole_png
from tests.e2e.peers.daemon import SCANNED, Daemon, eventually
from tests.examples.backend import EXAMPLES, PATH, SECRET, Backend, plain_header, standard_headers
from tests.examples.books import read_books
from tests.fakes.ports import free_ports

RECEIVERS = ("receiver_stdlib.py", "receiver_aiohttp.py")
Receiver = Callable[..., Backend]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Start an example receiver that ends with the test."""
    started: list[Backend] = []

    def start(name: str, **environ: str) -> Backend:
        port = free_ports(1)[0]
        argv = [sys.executable, str(EXAMPLES / "python" / name)]
        environ = {"WEBHOOK_SECRET": SECRET, "PORT": str(port), "DATABASE": str(tmp_path / "app.sqlite3"), **environ}
        started.append(Backend(argv, port, tmp_path, environ).__enter__())
        return started[-1]

    yield start
    for backend in started:
        backend.__exit__(None, None, None)


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "app.sqlite3", timeout=10)) as database:
        return database.execute(sql).fetchall()


def status_event(number: int) -> dict[str, Json]:
    return {
        "id": f"evt_{number}",
        "type": "session.status",
        "session_id": "acme",
        "seq": number,
        "launch": 1,
        "timestamp": "2026-11-22T07:22:04.165Z",
        "status": "qr_ready",
        "reason": None,
    }


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_follows_a_session_through_code_scan_message_crash_and_ban(
    receiver: Receiver, tmp_path: Path, name: str
) -> None:
    backend = receiver(name)
    with Daemon(home=tmp_path / "home", settings=backend.settings) as daemon:
        daemon.create("acme", wait_for="qr")
        daemon.steer("acme", "scan")
        daemon.until("acme", "connected")
        daemon.steer("acme", "receive?text=hello")
        eventually(lambda: rows(tmp_path, "SELECT 1 FROM message"))
        former = daemon.registry()["acme"]
        os.kill(former, signal.SIGKILL)
        eventually(lambda: daemon.registry().get("acme", former) != former)
        daemon.until("acme", "connected")
        daemon.steer("acme", "close?code=403")
        daemon.until("acme", "banned")

        eventually(lambda: rows(tmp_path, "SELECT 1 FROM session WHERE status = 'banned' AND reason = 'banned'"))

    assert rows(tmp_path, "SELECT phone_number IS NOT NULL FROM session") == [(1,)]
    assert len(rows(tmp_path, "SELECT * FROM message")) == 1


def test_the_aiohttp_receiver_shows_the_code_until_it_is_scanned(receiver: Receiver, tmp_path: Path) -> None:
    backend = receiver("receiver_aiohttp.py")
    with Daemon(home=tmp_path / "home", settings=backend.settings) as daemon:
        daemon.create("acme", wait_for="qr")
        image = eventually(lambda: shown if (shown := backend.ask("GET", "/qr/acme"))[0] == 200 else None)[1]
        daemon.steer("acme", "scan")

        eventually(lambda: backend.ask("GET", "/qr/acme")[0] == 404)

    assert is_whole_png(image)


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_that_was_killed_catches_up_and_handles_nothing_twice(
    receiver: Receiver, tmp_path: Path, name: str
) -> None:
    backend = receiver(name)
    schedule = {"DELIVERY_SCHEDULE_S": f"[{', '.join(['0.3'] * 200)}]"}
    with Daemon(home=tmp_path / "home", settings={**backend.settings, **schedule}, engine_env=SCANNED) as daemon:
        daemon.create("acme")
        daemon.until("acme", "connected")
        backend.__exit__(None, None, None)
        daemon.steer("acme", "receive?text=meanwhile")
        daemon.ask("POST", "/v1/sessions/acme/stop?wait=20")
        backend.__enter__()
        daemon.kill()
        daemon.start()  # it looks at once whether the receiver is back

        eventually(lambda: rows(tmp_path, "SELECT 1 FROM session WHERE status = 'stopped'"), within_s=40)

    assert len(rows(tmp_path, "SELECT * FROM message")) == 1


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_takes_what_is_signed_once_and_refuses_what_is_forged_or_old(
    receiver: Receiver, tmp_path: Path, name: str
) -> None:
    backend, now, event = receiver(name), time.time_ns() / 1e9, status_event(1)

    answers = [
        backend.post(event, **standard_headers(event, now)),
        backend.post(event, **standard_headers(event, now)),
        backend.post(status_event(2), **standard_headers(event, now)),
        backend.post(status_event(3), **standard_headers(status_event(3), now - 301)),
        backend.post(status_event(4), **standard_headers(status_event(4), now, "whsec_" + "b3RoZXI=")),
        backend.post(status_event(5)),
        backend.post(status_event(6), **{**standard_headers(status_event(6), now), "webhook-timestamp": "9" * 400}),
    ]

    assert answers == [204, 204, 401, 401, 401, 401, 401]
    assert rows(tmp_path, "SELECT id FROM processed_event") == [("evt_1",)]


@pytest.mark.parametrize("length", ["-1", "abc", "99999999999"])
def test_a_body_of_no_sane_length_is_not_waited_for(receiver: Receiver, length: str) -> None:
    backend = receiver("receiver_stdlib.py")

    status, _ = backend.ask("POST", PATH, b"", {"Content-Length": length})

    assert status == 413


def test_the_plain_way_needs_only_the_body_and_the_secret(receiver: Receiver, tmp_path: Path) -> None:
    backend = receiver("receiver_stdlib.py", SIGNATURE="plain")

    answers = [
        backend.post(status_event(1), **plain_header(status_event(1))),
        backend.post(status_event(2), **plain_header(status_event(1))),
        backend.post(status_event(3)),
    ]

    assert answers == [204, 401, 401]
    assert rows(tmp_path, "SELECT id FROM processed_event") == [("evt_1",)]


def test_both_receivers_are_small_enough_to_be_read_before_they_are_copied() -> None:
    assert all(len((EXAMPLES / "python" / name).read_text().splitlines()) < 125 for name in RECEIVERS)


@pytest.mark.parametrize("name", RECEIVERS)
def test_a_receiver_takes_the_fate_of_a_message_that_never_left(receiver: Receiver, tmp_path: Path, name: str) -> None:
    backend, now = receiver(name), time.time_ns() / 1e9
    about = {"manager_message_id": "msg_1", "message_id": None, "error_code": "blocked", "status": "bounced"}
    bounced = {**status_event(1), **about, "type": "message.failed"}
    late = {**status_event(2), **about, "type": "message.failed", "status": "unknown"}

    answers = [backend.post(event, **standard_headers(event, now)) for event in (bounced, late)]

    assert answers == [204, 204]
    assert {message_id for (message_id,) in rows(tmp_path, "SELECT message_id FROM message")} == {"msg_1"}
    if name == "receiver_stdlib.py":
        assert rows(tmp_path, "SELECT fate FROM message") == [("bounced",)]


def environ_of(daemon: Daemon) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "OPENWA_BASE_URL": f"http://127.0.0.1:{daemon.port}",
        "OPENWA_API_KEY": (daemon.home / "admin.key").read_text().strip(),
    }


def client(daemon: Daemon, *words: str, code: int = 0) -> str:
    """Run the client, which must end with this code, and return all that it printed."""
    argv, folder = [sys.executable, str(EXAMPLES / "python" / "client.py"), *words], daemon.home.parent
    run = subprocess.run(
        argv, cwd=folder, env=environ_of(daemon), capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == code, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.fixture
def paced(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon whose session `acme` is connected and sends one message after the other."""
    settings = {"MESSAGE_GAP_MIN_S": "0.01", "MESSAGE_GAP_MAX_S": "0.03"}
    engine_env = {**SCANNED, "SIMULATE_TYPING": "false"}
    with Daemon(home=tmp_path / "home", settings=settings, engine_env=engine_env) as daemon:
        daemon.create("acme", wait_for="connected")
        yield daemon


def test_the_client_pairs_a_session_and_saves_its_code(tmp_path: Path) -> None:
    with Daemon(home=tmp_path / "home", engine_env={**SCANNED, "SIM_AUTO_SCAN_S": "1.5"}) as daemon:
        printed = client(daemon, "pair", "acme")

    assert [line.split()[0] for line in printed.splitlines()] == ["acme", "scan", "connected"]
    assert is_whole_png((tmp_path / "acme.png").read_bytes())


def test_the_client_sends_a_message_and_tells_what_became_of_it(paced: Daemon) -> None:
    good = client(paced, "send", "acme", "+85260001000", "Hello").splitlines()
    bad = client(paced, "send", "acme", "+85260000002", "Hello").splitlines()
    nobody = client(paced, "send", "acme", "nobody", "Hello", code=1)

    assert [line.split()[1] for line in good] in (["queued", "delivered"], ["queued", "read"])
    assert bad[1].split()[1:] == ["bounced", "blocked"]
    assert "422 invalid_recipient" in nobody


def test_the_client_hands_a_file_over_once_however_often_it_is_run(paced: Daemon) -> None:
    file = paced.home.parent / "customers.csv"
    file.write_text("to,name\n+85260001000,Ann\nnobody,Bob\n+85260001001,Cid\n")

    first = client(paced, "bulk", "acme", "customers.csv", "Hello {{name}}")
    second = client(paced, "bulk", "acme", "customers.csv", "Hello {{name}}")
    batch_id = first.split()[0]
    eventually(lambda: paced.ask("GET", f"/v1/batches/{batch_id}").body["state"] == "done")

    assert first == second
    assert "accepted 2" in first
    assert "nobody: invalid_recipient" in first
    assert [entry["text"] for entry in read_books(paced, "acme")] == ["Hello Ann", "Hello Cid"]


def test_the_client_shows_a_queue_and_calls_messages_off(paced: Daemon) -> None:
    paced.ask("PATCH", "/v1/sessions/acme/queue", {"state": "paused"})
    about = {"to": "+85260001000", "text": "Hello"}
    message_id = paced.ask("POST", "/v1/sessions/acme/messages", about).text("message_id")

    waiting = json.loads(client(paced, "queue", "acme"))
    cancelled = json.loads(client(paced, "cancel", message_id))
    again = json.loads(client(paced, "cancel", message_id))

    assert (waiting["length"], waiting["hold"]["code"]) == (1, "queue_paused")
    assert (cancelled["status"], again["status"]) == ("cancelled", "cancelled")
    assert "404 not_found" in client(paced, "cancel", "batch_01M8M5S5JGJZX96SK0A0S3JXH9", code=1)


def test_the_client_as_a_module_waits_for_a_batch_and_pauses_a_queue(paced: Daemon) -> None:
    script = """
import json
from client import Client
client = Client.from_environment()
client.queue("acme", state="paused")
answer = client.send_bulk("acme", {"text": "Hello"}, [{"to": "+85260001000"}], key="a-key")
waiting = client.wait_for_batch(answer["batch_id"], 0)
client.queue("acme", state="active")
done = client.wait_for_batch(answer["batch_id"], 30)
print(json.dumps([waiting["state"], waiting["hold"]["code"], done["state"]]))
"""
    environ = {**environ_of(paced), "PYTHONPATH": str(EXAMPLES / "python")}
    printed = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, timeout=50, check=True)

    assert json.loads(printed.stdout) == ["active", "queue_paused", "done"]


def test_the_client_says_what_the_manager_said(tmp_path: Path) -> None:
    with Daemon(home=tmp_path / "home") as daemon:
        environ = {"OPENWA_BASE_URL": f"http://127.0.0.1:{daemon.port}", "OPENWA_API_KEY": "owm_no_key"}
        argv = [sys.executable, str(EXAMPLES / "python" / "client.py"), "pair", "acme"]

        run = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=40, check=False)

    assert run.returncode == 1
    assert "401 unauthenticated" in run.stderr
