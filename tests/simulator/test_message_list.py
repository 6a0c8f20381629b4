"""The messages and chats an engine knows, in the shapes that the official SDK names."""

import re
from pathlib import Path
from typing import get_type_hints

import pytest
from openwa.types import ChatHistoryMessage, ChatSummary, MessageRecord

from openwa_manager.simulator.http.wire import Json
from openwa_manager.simulator.journal import Journal
from openwa_manager.simulator.state import rows
from openwa_manager.simulator.state.rows import Content, MessageRows, chats, new_row
from tests.simulator.harness import Receiver, Simulator, eventually

ALICE, BOB = "85291112345@c.us", "85291112346@c.us"


def records(answer: Json) -> list[dict[str, Json]]:
    assert isinstance(answer, list)
    return [row for row in answer if isinstance(row, dict)]


def listed(simulator: Simulator, session_id: str, query: str = "") -> list[dict[str, Json]]:
    return records(simulator.ask("GET", f"/api/sessions/{session_id}/messages{query}").fields["messages"])


def history(simulator: Simulator, session_id: str, chat_id: str, query: str = "") -> list[dict[str, Json]]:
    return records(simulator.ask("GET", f"/api/sessions/{session_id}/messages/{chat_id}/history{query}").body)


def test_a_row_is_what_the_sdk_expects(shared: Simulator, name: str, receiver: Receiver) -> None:
    session_id = shared.linked(name, hook=receiver.url)

    sent = shared.send_text(session_id, ALICE, "hello")
    eventually(lambda: listed(shared, session_id)[0]["status"] == "read")
    (row,) = listed(shared, session_id)

    assert row.keys() == get_type_hints(MessageRecord).keys()
    assert re.fullmatch(r"[0-9a-f-]{36}", str(row["id"]))
    assert (row["waMessageId"], row["timestamp"]) == (sent.fields["messageId"], sent.fields["timestamp"])
    assert (row["sessionId"], row["chatId"], row["to"]) == (session_id, ALICE, ALICE)
    assert (row["body"], row["type"], row["direction"]) == ("hello", "text", "outgoing")
    (told,) = receiver.events("message.sent")
    (live,) = history(shared, session_id, ALICE)
    assert live == told.data
    assert live.keys() <= get_type_hints(ChatHistoryMessage).keys()


def test_a_list_is_filtered_and_paged(shared: Simulator, name: str) -> None:
    session_id = shared.linked(name)
    for number in range(3):
        shared.send_text(session_id, ALICE, f"a{number}")
    shared.send_text(session_id, BOB, "b")
    shared.control(f"receive?name={name}&from={ALICE}&text=reply")

    def bodies(query: str) -> list[Json]:
        return [row["body"] for row in listed(shared, session_id, query)]

    assert bodies("") == ["reply", "b", "a2", "a1", "a0"]
    assert bodies(f"?chatId={ALICE}&limit=2") == ["reply", "a2"]
    assert bodies(f"?chatId={ALICE}&limit=2&offset=2") == ["a1", "a0"]
    assert bodies("?direction=incoming") == bodies(f"?from={ALICE}") == ["reply"]
    assert bodies("?type=image") == []
    assert bodies("?limit=rubbish&offset=-1") == bodies("")
    answer = shared.ask("GET", f"/api/sessions/{session_id}/messages?chatId={ALICE}&limit=1").fields
    assert answer["total"] == 4
    assert [message["body"] for message in history(shared, session_id, ALICE, "?limit=2")] == ["a2", "reply"]
    assert shared.ask("GET", "/api/sessions/nobody/messages").status == 404


def test_a_failure_behind_which_a_message_was_sent_has_two_rows(shared: Simulator, name: str) -> None:
    session_id = shared.linked(name)

    shared.send_text(session_id, "85291110006@c.us", "sent all the same")
    shared.send_text(session_id, "85291110007@c.us", "not sent")
    eventually(lambda: listed(shared, session_id, "?chatId=85291110006@c.us")[0]["status"] == "read")

    echo, own = listed(shared, session_id, "?chatId=85291110006@c.us")
    (unsent,) = listed(shared, session_id, "?chatId=85291110007@c.us")
    assert (echo["waMessageId"], own["waMessageId"]) == (shared.books()[-1]["message_id"], None)
    assert (own["status"], unsent["status"], unsent["waMessageId"]) == ("failed", "failed", None)
    assert history(shared, session_id, "85291110007@c.us") == []


@pytest.mark.parametrize(("ending", "status"), [("0001", "failed"), ("0014", "read")])
def test_a_row_goes_as_far_as_the_furthest_ack(shared: Simulator, name: str, ending: str, status: str) -> None:
    session_id = shared.linked(name)

    shared.send_text(session_id, f"8529111{ending}@c.us")

    eventually(lambda: listed(shared, session_id)[0]["status"] == status)


def test_media_is_told_without_its_bytes(shared: Simulator, name: str) -> None:
    session_id = shared.linked(name)
    body: dict[str, Json] = {"chatId": ALICE, "base64": "aGVsbG8=", "mimetype": "image/png", "caption": "look"}

    shared.ask("POST", f"/api/sessions/{session_id}/messages/send-image", body)

    (row,) = listed(shared, session_id)
    (live,) = history(shared, session_id, ALICE)
    assert (row["type"], row["body"], row["mediaMimetype"]) == ("image", "look", "image/png")
    assert live["media"] == {"mimetype": "image/png", "omitted": True, "sizeBytes": 5}


def test_chats_are_those_that_wrote_or_were_written_to(shared: Simulator, name: str) -> None:
    session_id = shared.linked(name)
    shared.send_text(session_id, ALICE, "to alice")
    for text in ("one", "two"):
        shared.control(f"receive?name={name}&from=85291112346&text={text}")
    shared.send_text(session_id, "120363041234567890@g.us", "to all")
    shared.send_text(session_id, "85291110007@c.us", "never arrived")

    found = records(shared.ask("GET", f"/api/sessions/{session_id}/chats").body)

    assert [chat["id"] for chat in found] == ["120363041234567890@g.us", BOB, ALICE]
    assert found[0].keys() == get_type_hints(ChatSummary).keys() - {"muteExpiration"}
    assert [(chat["kind"], chat["isGroup"]) for chat in found[:2]] == [("group", True), ("individual", False)]
    assert [(chat["unreadCount"], chat["lastMessage"]) for chat in found] == [
        (0, "to all"),
        (2, "two"),
        (0, "to alice"),
    ]
    assert [chat["name"] for chat in found[1:]] == ["Mock Sender", "85291112345"]
    page = records(shared.ask("GET", f"/api/sessions/{session_id}/chats?limit=1&offset=1").body)
    assert [chat["id"] for chat in page] == [BOB]


def test_rows_outlive_a_kill(simulator: Simulator) -> None:
    session_id = simulator.linked()
    simulator.send_text(session_id, ALICE, "before")
    eventually(lambda: listed(simulator, session_id)[0]["status"] == "read")
    before = listed(simulator, session_id)

    simulator.kill()
    simulator.start()

    assert listed(simulator, session_id) == before
    simulator.start_session(session_id)
    simulator.wait_for(session_id, "ready")
    assert [message["body"] for message in history(simulator, session_id, ALICE)] == ["before"]


def row_to(chat_id: str, *, is_from_me: bool = True) -> dict[str, Json]:
    content = Content(kind="text", text="x", metadata={})
    return new_row("s", content, sender="1@c.us", recipient=chat_id, is_from_me=is_from_me)


def test_the_oldest_rows_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "REMEMBERED", 3)
    table = MessageRows(tmp_path / "m.jsonl")

    added = [table.add({**row_to(f"{number}@c.us"), "waMessageId": f"w{number}"}) for number in range(5)]
    table.change(added[0], status="read")
    table.acknowledge("w0", "read")

    assert [row["chatId"] for row in table.newest()] == ["4@c.us", "3@c.us", "2@c.us"]
    assert [row["chatId"] for row in MessageRows(tmp_path / "m.jsonl").newest()] == ["4@c.us", "3@c.us", "2@c.us"]


def test_a_change_that_cannot_be_written_holds_for_this_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    table = MessageRows(folder / "m.jsonl")
    row = table.add(row_to(ALICE))
    (folder / "m.jsonl").unlink()
    folder.rmdir()

    table.change(row, status="failed")
    table.note(row_to(BOB))

    assert [row["status"] for row in table.newest("s")] == ["pending", "failed"]
    assert "Failed to store message" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        table.add(row_to(BOB))


def test_a_chat_that_was_answered_has_nothing_unread(tmp_path: Path) -> None:
    table = MessageRows(tmp_path / "m.jsonl")
    for is_from_me in (False, False, True, False):
        chat = {"chatId": ALICE, "waMessageId": "w"}
        table.add({**row_to(ALICE, is_from_me=is_from_me), **chat})

    (chat_found,) = chats(table.known("s"))

    assert chat_found["unreadCount"] == 1
    assert len(Journal(tmp_path / "m.jsonl").lines()) == 4
