"""OpenWA answers a broken credential file with a new code, not an error; a link must not be lost to a torn write."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.e2e.peers.daemon import SCANNED, Daemon, eventually

Serve = Callable[..., Daemon]


def paired(serve: Serve) -> tuple[Daemon, Path]:
    daemon = serve(engine_env=SCANNED)
    daemon.create("acme")
    daemon.until("acme", "connected")
    directory = daemon.home / "sessions" / "acme"
    eventually((directory / "creds.kept.json").exists)
    (creds,) = directory.glob("data/baileys/*/creds.json")
    return daemon, creds


def test_half_a_credential_file_is_replaced_by_the_kept_copy_and_the_link_comes_back(serve: Serve) -> None:
    daemon, creds = paired(serve)
    whole = creds.read_bytes()

    creds.write_bytes(whole[: len(whole) // 2])
    os.kill(daemon.registry()["acme"], signal.SIGKILL)
    eventually(lambda: daemon.session("acme").body["connected_at"] is None)
    daemon.until("acme", "connected")

    timeline = daemon.ask("GET", "/v1/sessions/acme/why").raw.decode()
    assert "credentials restored from the kept copy" in timeline
    assert "show code" not in timeline.partition("credentials restored")[2]


def test_a_logout_on_the_phone_ends_the_session_and_leaves_no_copy(serve: Serve) -> None:
    daemon, _ = paired(serve)

    daemon.steer("acme", "close?code=401")
    daemon.until("acme", "logged_out")

    assert not (daemon.home / "sessions" / "acme" / "creds.kept.json").exists()
    assert daemon.session("acme").body["desired"] == "stopped"


def test_credentials_that_openwa_set_aside_itself_are_named_in_the_timeline(serve: Serve) -> None:
    daemon, creds = paired(serve)

    creds.rename(creds.with_name("kept-elsewhere"))
    (daemon.home / "sessions" / "acme" / "creds.kept.json").unlink()
    (creds.parent / "corrupt-1795332124000-a1b2").mkdir()
    os.kill(daemon.registry()["acme"], signal.SIGKILL)

    eventually(lambda: "set them aside" in daemon.ask("GET", "/v1/sessions/acme/why").raw.decode())

    assert "corrupt-1795332124000-a1b2" in daemon.ask("GET", "/v1/sessions/acme/why").raw.decode()
