"""Messages from the command line to a simulated WhatsApp and back, through a real daemon."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon

SESSION = "user_1_session_a"
#: By their last digits the simulated WhatsApp knows what to do with them.
REACHED, BLOCKING = "+85212340100", "+85212340002"
SETTINGS = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "CONTACT_CHECK_GAP_S": "0"}


@pytest.fixture
def daemon(serve: Callable[..., Daemon]) -> Daemon:
    daemon = serve(engine_env=SCANNED, settings=SETTINGS)
    daemon.create(SESSION)
    daemon.until(SESSION, "connected")
    return daemon


def run(daemon: Daemon, *words: str, code: int = 0, stdin: str = "") -> str:
    """Run a command that must exit so, and return what it prints."""
    done = subprocess.run(
        (sys.executable, "-m", "openwa_manager", "--home", str(daemon.home), *words),
        env={"PATH": os.environ["PATH"]},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done.stdout


def read(daemon: Daemon, *words: str, code: int = 0, stdin: str = "") -> dict[str, Json]:
    """Run a command that must exit so, and return the object it prints."""
    document = json.loads(run(daemon, *words, code=code, stdin=stdin))
    assert isinstance(document, dict)
    return document


def test_a_message_is_sent_listed_and_shown(daemon: Daemon) -> None:
    sent = read(daemon, "send", SESSION, REACHED, "-", "--reference", "a", "--wait", "30", stdin="Hello\n")

    message_id = str(sent["message_id"])
    listed = read(
        daemon, "messages", SESSION, "--reference", "a", "--status", "sent", "--status", "delivered", "--status", "read"
    )
    assert sent["status"] in ("sent", "delivered", "read")
    assert [each["message_id"] for each in listed["messages"]] == [message_id]  # type: ignore[union-attr,index,call-overload]
    assert read(daemon, "messages", "show", message_id)["attempts"] != []
    run(daemon, "messages", "cancel", message_id, code=1)
    run(daemon, "messages", "show", "msg_0", code=3)


def test_one_that_was_refused_fails_and_may_be_sent_again(daemon: Daemon) -> None:
    bounced = read(daemon, "send", SESSION, BLOCKING, "Hello", "--wait", "30", code=1)
    again = read(daemon, "messages", "resend", str(bounced["message_id"]))

    assert bounced["status"] == "bounced"
    assert again["replaces"] == bounced["message_id"]
    run(daemon, "messages", "settle", str(bounced["message_id"]), "--as", "sent", code=1)
    run(daemon, "send", SESSION, "nobody", "Hello", code=1)


def test_a_queue_is_paused_and_emptied(daemon: Daemon) -> None:
    assert read(daemon, "queue", SESSION, "--pause", "--profile", "careful")["state"] == "paused"
    waiting = read(daemon, "send", SESSION, REACHED, "Hello")
    assert waiting["hold"]["code"] == "queue_paused"  # type: ignore[index,call-overload]
    assert [each["length"] for each in read(daemon, "queue")["queues"]] == [1]  # type: ignore[union-attr,index,call-overload]

    run(daemon, "queue", SESSION, "--clear", code=2)
    cleared = read(daemon, "queue", SESSION, "--clear", "--yes")

    assert cleared == {"session_id": SESSION, "cancelled": 1}
    assert read(daemon, "messages", "show", str(waiting["message_id"]))["status"] == "cancelled"
    assert read(daemon, "queue", SESSION, "--resume")["state"] == "active"


def test_a_file_is_sent_as_a_batch(daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(f"\ufeffto;name\r\n{REACHED};Ann\r\n+85212340101;\r\n+85212340102;李\r\n{REACHED};Bob\r\n", "utf-8")
    words = ("batch", "create", SESSION, str(file), "--template", "Hi {{name}}")

    rehearsed = read(daemon, *words, "--dry-run")
    taken = read(daemon, *words, "--name", "autumn", "--wait", "30")

    rejected = [(each["line"], each["code"]) for each in taken["rejected"]]  # type: ignore[union-attr,index,call-overload]
    assert (rehearsed["batch_id"], rehearsed["accepted"]) == (None, 2)
    assert rejected == [(3, "missing_variable"), (5, "duplicate")]
    batch = read(daemon, "batch", "show", str(taken["batch_id"]))
    assert (batch["state"], batch["accepted"]) == ("done", 2)
    assert read(daemon, "batch", "list", SESSION) == {"batches": [batch], "has_more": False}
    run(daemon, "batch", "pause", str(taken["batch_id"]), code=1)
    run(daemon, "batch", "show", "batch_0", code=3)
