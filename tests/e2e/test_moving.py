"""A daemon's home that is copied to another place, as to another host (docs/operations.md)."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.peers.daemon import SCANNED, Daemon


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Path]]:
    """Return the daemon of the new place, and the old home; a message waits for a session that is stopped."""
    top = tmp_path_factory.mktemp("move")
    with Daemon(home=top / "old", engine_env=SCANNED) as old:
        old.create("a")
        old.create("b", desired="stopped")
        old.until("a", "connected")
        sent = old.ask("POST", "/v1/sessions/b/messages", {"to": "+85212345678", "text": "Hello"})
        assert sent.status == 202, sent.raw
        old.ask("POST", "/v1/sessions/stop", {"until_start": True})
        old.until("a", "stopped")
        old.terminate()
        pack(top / "old", top / "new")
        with Daemon(home=top / "new", engine_env=SCANNED) as new:
            new.until("a", "connected")
            yield new, top / "old"


def pack(old: Path, new: Path) -> None:
    """Copy a home as the page does."""
    archive = new.parent / "openwa.tgz"
    argv = ["tar", "-C", str(old), "--exclude=./builds", "--exclude=./run/e", "-czpf", str(archive), "."]
    subprocess.run(argv, check=True, timeout=60, stderr=subprocess.DEVNULL)
    new.mkdir(mode=0o700)
    subprocess.run(["tar", "-C", str(new), "-xzpf", str(archive)], check=True, timeout=60)


def link_in(home: Path) -> str:
    (file,) = (home / "sessions" / "a").glob("data/baileys/*/creds.json")
    return str(json.loads(file.read_bytes())["registrationId"])


def test_a_session_connects_by_the_link_it_had(moved: tuple[Daemon, Path]) -> None:
    new, old = moved

    assert link_in(new.home) == link_in(old)


def test_no_file_of_the_old_place_is_used(moved: tuple[Daemon, Path]) -> None:
    new, old = moved

    shutil.rmtree(old / "sessions" / "b", ignore_errors=True)
    shown = new.session("a").body

    assert str(old) not in json.dumps(shown)
    assert str(new.home) in json.dumps(shown)


def test_what_waited_is_held_until_a_person_has_looked(moved: tuple[Daemon, Path]) -> None:
    new, _ = moved

    hold = new.ask("GET", "/v1/sessions/b/queue").body["hold"]
    resumed = new.ask("PATCH", "/v1/sessions/b/queue", {"state": "active"})

    assert isinstance(hold, dict)
    assert hold["code"] == "restored"
    assert resumed.body["hold"] != hold
