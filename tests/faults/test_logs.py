"""What stands in the logs: an engine's words through rotations, and of ours nothing that opens a door."""

import http.client
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise

from tests.e2e.peers.daemon import Daemon, UnixConnection, eventually
from tests.e2e.peers.upstream import SECRET, Upstream
from tests.faults.programs import COMMAND, running

Serve = Callable[..., Daemon]

#: Writes so much that its log is rotated, with a number on every line, and then a little more when told.
WORDY = """
log, number = sys.stdout.buffer, 0
for _ in range(60):
    for _ in range(2000):
        number += 1
        log.write(b"%08d %s\\n" % (number, b"x" * 100))
    log.flush()
    time.sleep(0.01)
pathlib.Path("done").touch()
wait_for("go")
for name in (b"one", b"two", b"three"):
    log.write(b"after %s\\n" % name)
    log.flush()
    time.sleep(0.3)
signal.pause()
"""


def test_an_engines_log_is_kept_small_and_can_be_followed_through_its_rotation(serve: Serve) -> None:
    daemon = serve(settings=COMMAND)
    daemon.create("wordy", **running(WORDY))
    directory = daemon.home / "sessions" / "wordy"
    eventually((directory / "done").exists)
    eventually((directory / "logs" / "engine.log.1").exists)

    tail = daemon.ask("GET", "/v1/sessions/wordy/logs?tail=1000").raw.splitlines()
    connection = UnixConnection(daemon.home / "run" / "manager.sock")
    connection.request("GET", "/v1/sessions/wordy/logs?tail=0&follow=1", headers={"X-API-Key": daemon.key})
    following = connection.getresponse()
    (directory / "go").touch()
    followed = [following.readline() for _ in range(3)]
    connection.close()

    numbers = [int(line[:8]) for line in tail]
    assert all(earlier < later for earlier, later in pairwise(numbers))
    assert (len(numbers), numbers[-1]) == (1000, 120_000)
    assert followed == [b"after one\n", b"after two\n", b"after three\n"]


def test_all_logs_together_stay_below_their_limit(serve: Serve) -> None:
    daemon = serve(settings={"LOGS_MAX_BYTES": "10000000"})
    daemon.create("acme", desired="stopped")
    daemon.create("other", desired="stopped")
    daemon.kill()
    parts = [daemon.home / "sessions" / name / "logs" / f"engine.log.{number}" for name, number in PARTS]
    for age, part in enumerate(parts):
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"x" * 4_000_000)
        os.utime(part, (age, age))

    daemon.start()

    eventually(lambda: [part.exists() for part in parts] == [False, False, True, True])
    assert "logs_removed" in daemon.log


#: Whose log it is and the number of the part, the oldest first.
PARTS = [("acme", 2), ("other", 2), ("acme", 1), ("other", 1)]


def test_no_key_no_secret_and_no_code_stands_in_our_own_log(serve: Serve, upstream: Upstream) -> None:
    daemon = serve(engine_env={"SIM_QR_ROTATE_S": "0.5"}, settings={**upstream.settings, "LOG_LEVEL": "debug"})
    created = daemon.create("acme", wait_for="qr", env={"SIM_TOKEN": "the-token-of-the-user"}).body
    daemon.steer("acme", "scan")
    daemon.until("acme", "connected")
    admin_key = (daemon.home / "admin.key").read_text().strip()
    for key in (admin_key, f"{admin_key}x", "owm_none_at-all"):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=45)
        connection.request("GET", f"/v1/sessions?user_id={key}", headers={"X-API-Key": key})
        connection.getresponse().read()
        connection.close()
    os.kill(daemon.registry()["acme"], signal.SIGKILL)
    daemon.until("acme", "connected")
    daemon.create("own", proxy_url="http://user:the-password@proxy.example:3128")
    with closing(sqlite3.connect(daemon.home / "manager.db")) as database:
        stored = [
            text for (text,) in database.execute("SELECT engine_key FROM session UNION SELECT secret FROM launch")
        ]
    codes = [str(event["qr_base64"]) for event in upstream.of("acme", "session.qr")]
    daemon.terminate()
    log = daemon.log
    daemon.start()

    assert len(stored) >= 4
    assert codes
    for secret in (admin_key, SECRET, "the-token-of-the-user", "the-password", str(created["qr_base64"])):
        assert secret not in log
    assert [secret for secret in (*stored, *codes, *(code[200:260] for code in codes)) if secret in log] == []
