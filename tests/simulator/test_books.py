"""The books: what WhatsApp really got, whatever became of the process that sent it."""

import hashlib
import json
import time
from base64 import b64encode
from pathlib import Path

from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.whatsapp.books import Books, Entry
from tests.run.growth import is_constant
from tests.simulator.harness import Simulator


def test_a_message_is_entered_as_it_came_in(simulator: Simulator) -> None:
    session_id = simulator.linked()
    image: dict[str, Json] = {
        "chatId": "628123456789@c.us",
        "base64": b64encode(b"image").decode(),
        "mimetype": "image/png",
        "caption": "look",
    }
    before = time.time()  # noqa: TID251 - the books tell the time of day

    text = simulator.send_text(session_id, "628123456789@c.us", "hé\n☂", key="k-1")
    media = simulator.ask("POST", f"/api/sessions/{session_id}/messages/send-image", image)
    first, second = simulator.books()

    at = first.pop("at")
    assert isinstance(at, float)
    assert abs(at - before) < 10
    assert first == {
        "message_id": text.fields["messageId"],
        "session_id": session_id,
        "directory": simulator.home.name,
        "chat_id": "628123456789@c.us",
        "kind": "text",
        "text": "hé\n☂",
        "media_sha256": None,
        "key": "k-1",
    }
    assert (second["kind"], second["text"], second["key"]) == ("image", "look", None)
    assert second["message_id"] == media.fields["messageId"]
    assert second["media_sha256"] == hashlib.sha256(b"image").hexdigest()


def test_what_was_refused_is_not_entered(simulator: Simulator) -> None:
    session_id = simulator.create()
    simulator.send_text(session_id)
    simulator.link(session_id)
    simulator.control("fail?mode=500")
    simulator.send_text(session_id)

    assert simulator.books() == []


def test_the_books_outlive_a_kill(simulator: Simulator) -> None:
    session_id = simulator.linked()
    for number in range(3):
        simulator.send_text(session_id, text=f"before {number}")

    simulator.kill()
    simulator.start()
    simulator.start_session(session_id)
    simulator.wait_for(session_id, "ready")
    simulator.send_text(session_id, text="after")

    assert [entry["text"] for entry in simulator.books()] == ["before 0", "before 1", "before 2", "after"]
    assert [entry["text"] for entry in simulator.books("?after=2")] == ["before 2", "after"]
    assert [entry["text"] for entry in simulator.books("?after=1&limit=2")] == ["before 1", "before 2"]
    assert simulator.books("?after=9") == []


def test_many_entries_slow_nothing_down(tmp_path: Path) -> None:
    """An entry costs the same after 200,000 others, which lie on disk only and are read when somebody asks."""
    (tmp_path / "data").mkdir(mode=0o700)
    path = tmp_path / "data" / "books.jsonl"
    line = json.dumps({"message_id": "3EB0", "chat_id": "628@c.us", "text": "x" * 100}).encode() + b"\n"
    path.write_bytes(line * 200_000)
    books = Books(path)

    entry = Entry(
        message_id="3EB0",
        session_id="s",
        chat_id="628@c.us",
        kind="text",
        text="x",
        media_sha256=None,
        at=0.0,
        key=None,
    )
    few = Books(tmp_path / "few.jsonl")

    def enter(size: int) -> None:
        for _ in range(500):
            (books if size == 8 else few).enter(entry)

    assert is_constant(enter, 8)
    with Simulator(tmp_path) as simulator:
        assert len(simulator.books("?after=200000")) == 1500
        assert len(simulator.books("?after=100&limit=7")) == 7
