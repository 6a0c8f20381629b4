"""Messages from the command line to a simulated WhatsApp and back, through a real daemon."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from openwa_manager.domain.delivery.events import Json
from tests.e2e.peers.daemon import SCANNED, Daemon

#: By their last digits the simulated WhatsApp knows what to do with them.
REACHED, BLOCKING = "+85212340100", "+85212340002"
SETTINGS = {"MESSAGE_GAP_MIN_S": "0", "MESSAGE_GAP_MAX_S": "0", "CONTACT_CHECK_GAP_S": "0"}


_users = count(1)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("messages") / "home"
    with Daemon(home=home, engine_env=SCANNED, settings=SETTINGS) as daemon:
        yield daemon


@pytest.fixture
def user(daemon: Daemon) -> str:
    """Return a user with a session that is connected."""
    user = str(next(_users))
    daemon.create(session_of(user))
    daemon.until(session_of(user), "connected")
    return user


def session_of(user: str) -> str:
    return f"user_{user}_session_a"


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


def test_a_message_is_sent_listed_and_shown(daemon: Daemon, user: str) -> None:
    session_id = session_of(user)
    sent = read(daemon, "send", session_id, REACHED, "-", "--reference", "a", "--wait", "30", stdin="Hello\n")

    message_id = str(sent["message_id"])
    sent_ones = ("--status", "sent", "--status", "delivered", "--status", "read")
    listed = read(daemon, "messages", session_id, "--reference", "a", *sent_ones)
    assert sent["status"] in ("sent", "delivered", "read")
    assert [each["message_id"] for each in listed["messages"]] == [message_id]  # type: ignore[union-attr,index,call-overload]
    assert read(daemon, "messages", "show", message_id)["attempts"] != []
    run(daemon, "messages", "cancel", message_id, code=1)
    run(daemon, "messages", "show", "msg_0", code=3)


def test_one_that_was_refused_fails_and_may_be_sent_again(daemon: Daemon, user: str) -> None:
    session_id = session_of(user)
    bounced = read(daemon, "send", session_id, BLOCKING, "Hello", "--wait", "30", code=1)
    again = read(daemon, "messages", "resend", str(bounced["message_id"]))

    assert bounced["status"] == "bounced"
    assert again["replaces"] == bounced["message_id"]
    run(daemon, "messages", "settle", str(bounced["message_id"]), "--as", "sent", code=1)
    run(daemon, "send", session_id, "nobody", "Hello", code=1)


def test_a_queue_is_paused_and_emptied(daemon: Daemon, user: str) -> None:
    session_id = session_of(user)
    assert read(daemon, "queue", session_id, "--pause", "--profile", "careful")["state"] == "paused"
    waiting = read(daemon, "send", session_id, REACHED, "Hello")
    assert waiting["hold"]["code"] == "queue_paused"  # type: ignore[index,call-overload]
    lengths = {each["session_id"]: each["length"] for each in read(daemon, "queue")["queues"]}  # type: ignore[union-attr,index,call-overload]
    assert lengths[session_id] == 1

    run(daemon, "queue", session_id, "--clear", code=2)
    cleared = read(daemon, "queue", session_id, "--clear", "--yes")

    assert cleared == {"session_id": session_id, "cancelled": 1}
    assert read(daemon, "messages", "show", str(waiting["message_id"]))["status"] == "cancelled"
    assert read(daemon, "queue", session_id, "--resume")["state"] == "active"


def test_quotas_and_opt_outs_stop_messages(daemon: Daemon, user: str, tmp_path: Path) -> None:
    session_id = session_of(user)
    assert read(daemon, "quota", user)["messages_limit"] is None
    assert read(daemon, "quota", user, "--limit", "1")["messages_limit"] == 1
    run(daemon, "send", session_id, REACHED, "Hello", "--wait", "30")
    run(daemon, "send", session_id, REACHED, "Hello", code=1)
    read(daemon, "quota", user, "--limit", "none")

    file = tmp_path / "out.csv"
    imported = read(daemon, "suppress", user, "import", "-", stdin=f"to,reason\n{REACHED},a letter\nnobody,\n", code=1)
    run(daemon, "suppress", user, "export", "--output", str(file))

    assert (imported["added"], imported["rejected_count"]) == (1, 1)
    assert "a letter" in file.read_text("utf-8")
    run(daemon, "send", session_id, REACHED, "Hello", code=1)
    assert read(daemon, "suppress", user, "import", str(file))["already"] == 1
    read(daemon, "suppress", user, "remove", REACHED)
    run(daemon, "suppress", user, "remove", REACHED, code=3)
    assert read(daemon, "suppress", user) == {"suppressions": []}
    read(daemon, "suppress", user, "add", REACHED, "--reason", "a call")
    assert [each["reason"] for each in read(daemon, "suppress", user, "list")["suppressions"]] == ["a call"]  # type: ignore[union-attr,index,call-overload]
    run(daemon, "suppress", f"session:{session_id}", "list", code=1)


def test_a_file_is_sent_as_a_batch(daemon: Daemon, user: str, tmp_path: Path) -> None:
    session_id = session_of(user)
    file = tmp_path / "people.csv"
    file.write_text(f"\ufeffto;name\r\n{REACHED};Ann\r\n+85212340101;\r\n+85212340102;李\r\n{REACHED};Bob\r\n", "utf-8")
    words = ("batch", "create", session_id, str(file), "--template", "Hi {{name}}")

    rehearsed = read(daemon, *words, "--dry-run")
    taken = read(daemon, *words, "--name", "autumn", "--wait", "30")

    rejected = [(each["line"], each["code"]) for each in taken["rejected"]]  # type: ignore[union-attr,index,call-overload]
    assert (rehearsed["batch_id"], rehearsed["accepted"]) == (None, 2)
    assert rejected == [(3, "missing_variable"), (5, "duplicate")]
    batch_id = str(taken["batch_id"])
    assert read(daemon, "batch", "show", batch_id, "--wait")["accepted"] == 2
    assert [each["batch_id"] for each in read(daemon, "batch", "list", session_id)["batches"]] == [batch_id]  # type: ignore[union-attr,index,call-overload]
    assert read(daemon, "batch", "cancel", batch_id)["batch_id"] == batch_id
    run(daemon, "batch", "show", "batch_0", code=3)


def test_a_paused_batch_waits_until_it_is_cancelled(daemon: Daemon, user: str) -> None:
    session_id = session_of(user)
    run(daemon, "queue", session_id, "--pause")
    words = ("batch", "create", session_id, "-", "--template", "Hi")
    batch_id = str(read(daemon, *words, stdin="to\n+85212340101\n+85212340102\n")["batch_id"])

    assert read(daemon, "batch", "pause", batch_id)["state"] == "paused"
    assert read(daemon, "batch", "resume", batch_id)["state"] == "active"
    run(daemon, "batch", "show", batch_id, "--wait", "0", code=1)
    assert read(daemon, "batch", "cancel", batch_id)["counts"] == {"cancelled": 2}
    run(daemon, "batch", "resume", batch_id, code=1)
