"""API keys at a real daemon: made by the command line, used over HTTP, kept through crashes."""

import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from tests.e2e.peers.daemon import Daemon, eventually

Serve = Callable[..., Daemon]


def run(daemon: Daemon, *words: str) -> str:
    """Run a command and return what it prints."""
    argv = (sys.executable, "-m", "openwa_manager", "--home", str(daemon.home), *words)
    environ = {"PATH": os.environ["PATH"], "HOME": str(daemon.home)}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def lines(printed: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in printed.splitlines())


def status(daemon: Daemon, key: str, path: str = "/v1/sessions") -> int:
    """Return how a call over TCP with a key is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    try:
        connection.request("GET", path, headers={"X-API-Key": key})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_backend_gets_its_two_lines_and_its_key_outlasts_a_crash(serve: Serve) -> None:
    daemon = serve()
    url = f"http://127.0.0.1:{daemon.port}"
    words = ("keys", "create", "campaign", "--role", "sender", "--session", "user_1_*", "--env", "--base-url", url)

    env = lines(run(daemon, *words))

    assert env.keys() == {"OPENWA_BASE_URL", "OPENWA_API_KEY"}
    assert env["OPENWA_BASE_URL"] == url
    key = env["OPENWA_API_KEY"]
    assert (status(daemon, key), status(daemon, key, "/v1/keys")) == (200, 403)
    daemon.kill()
    daemon.start()
    assert status(daemon, key) == 200
    key_id = key.split("_")[1]
    assert key not in run(daemon, "keys", "show", key_id)
    run(daemon, "keys", "delete", key_id)
    assert status(daemon, key) == 401


def test_when_a_key_was_last_used_is_known_to_the_next_daemon(serve: Serve) -> None:
    daemon = serve()
    key = lines(run(daemon, "keys", "create", "a", "--role", "viewer", "--env"))["OPENWA_API_KEY"]
    assert status(daemon, key) == 200
    path = f"/v1/keys/{key.split('_')[1]}"
    used_at = daemon.ask("GET", path).body["last_used_at"]
    assert used_at is not None

    daemon.terminate()
    daemon.start()

    assert daemon.ask("GET", path).body["last_used_at"] == used_at


def test_the_file_of_the_admins_key_may_be_removed_once_there_is_another(serve: Serve) -> None:
    daemon = serve()
    file = daemon.home / "admin.key"
    first = file.read_text().strip()
    own = lines(run(daemon, "keys", "create", "me", "--role", "admin", "--qr", "--chats", "--env"))["OPENWA_API_KEY"]
    file.unlink()
    daemon.terminate()
    daemon.start()

    assert not file.exists()
    assert (status(daemon, first), status(daemon, own, "/v1/keys")) == (401, 200)


def test_a_copy_that_is_put_back_opens_to_no_key_that_was_revoked_since(serve: Serve) -> None:
    daemon = serve(settings={"PUBLIC_URL": "http://localhost:1/out"})
    daemon.create("acme", desired="stopped")
    link = str(daemon.ask("POST", "/v1/sessions/acme/pairing-links", {}).body["url"]).removeprefix(
        "http://localhost:1/out"
    )
    assert daemon.ask("GET", link).status == 200
    gone = lines(run(daemon, "keys", "create", "gone", "--role", "admin", "--env"))["OPENWA_API_KEY"]
    turned = lines(run(daemon, "keys", "create", "turned", "--role", "viewer", "--env"))["OPENWA_API_KEY"]
    daemon.terminate()
    copy = (daemon.home / "manager.db").read_bytes()
    daemon.start()
    run(daemon, "keys", "delete", gone.split("_")[1])
    run(daemon, "keys", "rotate", turned.split("_")[1])
    daemon.terminate()
    for ending in ("-wal", "-shm"):
        (daemon.home / f"manager.db{ending}").unlink(missing_ok=True)
    (daemon.home / "manager.db").write_bytes(copy)

    daemon.start()

    assert (status(daemon, gone), status(daemon, turned)) == (401, 401)
    assert daemon.ask("GET", link).status == 404  # somebody may have used it since
    eventually(lambda: status(daemon, (daemon.home / "admin.key").read_text().strip()) == 200)
