"""Who writes to us, by which names, and who wants no more messages."""

import sqlite3
from collections.abc import Mapping
from dataclasses import replace

import pytest

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.messaging.messages import Attempt, BatchId, MessageStatus, Move, UserKey
from openwa_manager.domain.messaging.opt_out import FLOOD_BURST, keywords_of
from openwa_manager.domain.messaging.sightings import ReceivedMessage
from openwa_manager.domain.session.session import Session, SessionId, Spec
from openwa_manager.store.delivery.outbox import append
from openwa_manager.store.messaging import contacts, quotas
from openwa_manager.store.messaging.messages import NewMessage, find_message
from openwa_manager.store.messaging.moves import begin_attempt, move
from openwa_manager.store.messaging.people import aliases, suppressions
from openwa_manager.store.messaging.people.linking import NAMES_MAX, link
from openwa_manager.store.messaging.people.received import ReceivedHook
from openwa_manager.store.sessions.registry import save_session
from tests.store.messaging.samples import MONTH, SESSION, kept, new_message

USER = UserKey("user:1")
ANNA, ANNA_HIDDEN, BEN, GROUP = "85212345678@c.us", "777@lid", "4917012345@c.us", "120363@g.us"
OTHER = SessionId("user_1_session_b")
STRANGER = SessionId("user_2_session_c")
S = MessageStatus


def read(data: Mapping[str, Json]) -> ReceivedMessage | None:
    chat_id, body = data.get("chatId"), data.get("body")
    if not isinstance(chat_id, str) or not isinstance(body, str):
        return None
    is_direct = not chat_id.endswith("@g.us")
    return ReceivedMessage(message_id="M", chat_id=chat_id, sender=chat_id, body=body, at=None, is_direct=is_direct)


HOOKS = {"message.received": ReceivedHook(read=read, keywords=keywords_of(["STOP"]))}


@pytest.fixture(autouse=True)
def _sessions(connection: sqlite3.Connection) -> None:
    for session_id, user_id in ((SESSION, "1"), (OTHER, "1"), (STRANGER, "2")):
        spec = Spec(user_id=user_id, engine="simulator")
        session = Session(session_id=session_id, spec=spec, engine_key="k", created_at=1.0, updated_at=1.0)
        save_session(connection, session, [], [])


def receive(
    connection: sqlite3.Connection, body: str = "hello", chat_id: str = ANNA, at: float = 5000.0
) -> list[Event]:
    data = {"data": {"chatId": chat_id, "body": body}}
    event = Event(type="message.received", occurred_at=at, session_id=SESSION, user_id="1", launch=1, data=data)
    return [stored.event for stored in append(connection, [event], hooks=HOOKS)]


def test_who_writes_to_us_is_no_first_contact(connection: sqlite3.Connection) -> None:
    waiting = kept(connection, new_message(chat_id=ANNA, is_first_contact=True))
    other = kept(connection, new_message(chat_id=BEN, is_first_contact=True))

    (event,) = receive(connection)

    assert event.data == {"data": {"chatId": ANNA, "body": "hello"}}
    assert contacts.is_known(connection, SESSION, ANNA)
    assert not contacts.is_known(connection, OTHER, ANNA)
    assert _is_first(connection, waiting.message_id, other.message_id) == [False, True]


def test_of_who_has_written_before_and_awaits_nothing_nothing_is_written(connection: sqlite3.Connection) -> None:
    receive(connection)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)

    receive(connection)

    connection.set_trace_callback(None)
    assert sum("contact" in each for each in statements) == 1


def test_an_engine_that_names_a_chat_in_another_way_means_the_same(connection: sqlite3.Connection) -> None:
    receive(connection, chat_id="85212345678:3@s.whatsapp.net")

    assert contacts.is_known(connection, SESSION, ANNA)


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": []}, {"data": {"chatId": "what?", "body": "STOP"}}])
def test_what_cannot_be_read_is_handed_on_as_it_is(connection: sqlite3.Connection, data: Mapping[str, Json]) -> None:
    event = Event(type="message.received", occurred_at=1.0, session_id=SESSION, user_id="1", data=data)

    (stored,) = append(connection, [event], hooks=HOOKS)

    assert stored.event.data == data


def test_an_answer_is_noted_at_the_newest_message_of_a_batch_that_was_sent(connection: sqlite3.Connection) -> None:
    older, newer = (kept(connection, new_message(batch_id=BatchId("batch_1"))) for _ in range(2))
    single, waiting = kept(connection), kept(connection, new_message(batch_id=BatchId("batch_1")))
    for message in (older, newer, single):
        begin_attempt(connection, message.message_id, Attempt(number=0, at=1.0))
        move(connection, message.message_id, Move(to=S.SENT, at=2.0))

    receive(connection, at=7.0)
    receive(connection, at=9.0)

    rows = connection.execute("SELECT message_id FROM message WHERE replied_at = 7.0").fetchall()
    assert rows == [(newer.message_id,)]
    assert connection.execute("SELECT count(*) FROM message WHERE replied_at = 9.0").fetchone() == (0,)
    assert waiting.message_id != newer.message_id


def test_an_opt_out_cancels_what_waits_in_all_sessions_of_the_user(connection: sqlite3.Connection) -> None:
    mine = kept(connection, new_message(quota_month=MONTH))
    elsewhere = kept(connection, new_message(session_id=OTHER))
    theirs = kept(connection, _of_stranger())
    ben = kept(connection, new_message(chat_id=BEN))

    told = receive(connection, " stop\n")

    assert [event.type for event in told] == [
        "message.received",
        "contact.opted_out",
        "message.failed",
        "message.failed",
    ]
    assert told[1].data == {"from": ANNA, "keyword": "STOP"}
    assert [event.session_id for event in told[2:]] == [SESSION, OTHER]
    assert {event.data["manager_message_id"] for event in told[2:]} == {mine.message_id, elsewhere.message_id}
    assert {(event.data["status"], event.data["error_code"]) for event in told[2:]} == {("cancelled", "opted_out")}
    assert _statuses(connection, theirs.message_id, ben.message_id) == [S.QUEUED, S.QUEUED]
    assert quotas.read_quota(connection, USER, MONTH).reserved_count == 0
    assert suppressions.is_suppressed(connection, USER, ANNA)
    assert not suppressions.is_suppressed(connection, UserKey("user:2"), ANNA)


@pytest.mark.parametrize(("body", "chat_id"), [("STOP it", ANNA), ("", ANNA), ("STOP", GROUP)])
def test_only_a_keyword_alone_in_a_chat_of_two_is_an_opt_out(
    connection: sqlite3.Connection, body: str, chat_id: str
) -> None:
    told = receive(connection, body, chat_id)

    assert [event.type for event in told] == ["message.received"]


def test_who_opted_out_is_told_of_once(connection: sqlite3.Connection) -> None:
    receive(connection, "STOP")

    told = receive(connection, "STOP", at=6000.0)

    assert [event.type for event in told] == ["message.received"]


def test_what_is_too_much_for_one_write_is_left_for_others(connection: sqlite3.Connection) -> None:
    for _ in range(suppressions.CANCELLED_MAX + 3):
        kept(connection)

    told = receive(connection, "STOP")
    rest = suppressions.cancel_waiting(connection, USER, ANNA, 5001.0)

    assert len(told) == suppressions.CANCELLED_MAX + 2
    assert len(rest) == 3
    assert suppressions.cancel_waiting(connection, USER, ANNA, 5002.0) == []


def test_a_flood_of_opt_outs_cancels_nothing_and_holds_the_queue(connection: sqlite3.Connection) -> None:
    people = [f"8521111111{number}@c.us" for number in range(FLOOD_BURST + 2)]
    messages = [kept(connection, new_message(chat_id=chat_id)) for chat_id in people]

    told = [event for chat_id in people for event in receive(connection, "STOP", chat_id)]

    cancelled, waiting = messages[:FLOOD_BURST], messages[FLOOD_BURST:]
    assert set(_statuses(connection, *(each.message_id for each in cancelled))) == {S.CANCELLED}
    assert set(_statuses(connection, *(each.message_id for each in waiting))) == {S.QUEUED}
    assert all(suppressions.is_suppressed(connection, USER, chat_id) for chat_id in people)
    assert [event.type for event in told].count("contact.opted_out") == len(people)
    (held,) = [event for event in told if event.type == "queue.held"]
    assert held.data == {"hold": "opt_out_flood", "waiting": 2}
    assert connection.execute("SELECT held_code FROM queue").fetchone() == ("opt_out_flood",)


def test_a_stronger_hold_stays(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO queue (session_id, held_code) VALUES (?, 'restored')", (SESSION,))

    told = [event for number in range(9) for event in receive(connection, "STOP", f"8521111111{number}@c.us")]

    assert "queue.held" not in {event.type for event in told}
    assert connection.execute("SELECT held_code FROM queue").fetchone() == ("restored",)


def test_all_names_of_a_person_are_one(connection: sqlite3.Connection) -> None:
    waiting = kept(connection, new_message(chat_id=ANNA_HIDDEN, is_first_contact=True))
    contacts.note_known(connection, SESSION, ANNA, 1.0)

    assert link(connection, USER, ANNA, ANNA_HIDDEN, 2.0) == []

    assert aliases.canonical(connection, USER, ANNA_HIDDEN) == ANNA
    assert (
        aliases.names_of(connection, USER, ANNA_HIDDEN)
        == aliases.names_of(connection, USER, ANNA)
        == [ANNA, ANNA_HIDDEN]
    )
    found = find_message(connection, waiting.message_id)
    assert found is not None
    assert (found.recipient.chat_id, found.recipient.is_first_contact) == (ANNA, False)
    assert contacts.is_known(connection, SESSION, ANNA_HIDDEN)
    assert aliases.names_of(connection, UserKey("user:2"), ANNA) == [ANNA]


def test_who_opted_out_under_one_name_has_under_all(connection: sqlite3.Connection) -> None:
    waiting = kept(connection, new_message(chat_id=ANNA))
    receive(connection, "STOP", ANNA_HIDDEN)

    told = link(connection, USER, ANNA, ANNA_HIDDEN, 5001.0)

    assert [event.data["error_code"] for event in told] == ["opted_out"]
    assert _statuses(connection, waiting.message_id) == [S.CANCELLED]
    assert suppressions.find_suppressed(connection, USER, [ANNA, BEN]) == {ANNA}
    assert suppressions.remove(connection, USER, ANNA)
    assert not suppressions.is_suppressed(connection, USER, ANNA_HIDDEN)


def test_the_checked_number_is_the_canonical_one(connection: sqlite3.Connection) -> None:
    link(connection, USER, "5511987654321@c.us", "551187654321@c.us", 1.0)
    link(connection, USER, "551187654321@c.us", "9@lid", 2.0)
    link(connection, USER, "9@lid", "5511987654321@c.us", 3.0)

    assert aliases.names_of(connection, USER, "5511987654321@c.us") == [
        "551187654321@c.us",
        "5511987654321@c.us",
        "9@lid",
    ]


def test_an_engine_cannot_make_one_person_of_all(connection: sqlite3.Connection) -> None:
    link(connection, USER, GROUP, ANNA, 1.0)
    for number in range(30):
        link(connection, USER, ANNA, f"{number + 1}@lid", 1.0)

    assert len(aliases.names_of(connection, USER, ANNA)) == NAMES_MAX
    assert aliases.names_of(connection, USER, GROUP) == [GROUP]


def test_of_who_is_erased_only_hashes_are_left(connection: sqlite3.Connection) -> None:
    link(connection, USER, ANNA, ANNA_HIDDEN, 1.0)
    suppressions.add(connection, USER, ANNA, "asked by phone", 2.0)

    suppressions.erase_name(connection, USER, ANNA)
    aliases.forget_names(connection, USER, ANNA)

    page = suppressions.read_page(connection, USER)
    assert [each.name for each in page] == [None, None]
    assert suppressions.is_suppressed(connection, USER, ANNA)
    assert suppressions.is_suppressed(connection, USER, ANNA_HIDDEN)
    assert suppressions.read_page(connection, USER, after=page[-1].name_sha256) == []
    assert not suppressions.add(connection, USER, ANNA, "again", 3.0)
    found = suppressions.find(connection, USER, ANNA)
    assert found is not None
    assert (found.name, found.reason) == (None, "asked by phone")


def test_sessions_without_a_user_have_a_list_of_their_own(connection: sqlite3.Connection) -> None:
    key = UserKey(f"session:{SESSION}")
    suppressions.add(connection, key, ANNA, "x", 1.0)

    assert suppressions.is_suppressed(connection, key, ANNA)
    assert not suppressions.is_suppressed(connection, USER, ANNA)
    assert aliases.sessions_of(connection, key) == [SESSION]
    assert aliases.sessions_of(connection, USER) == [SESSION, OTHER]


def test_what_is_to_be_sent_to_somebody_on_the_list_is_cancelled(connection: sqlite3.Connection) -> None:
    message, other = kept(connection), kept(connection, new_message(chat_id=BEN))
    suppressions.add(connection, USER, ANNA, "asked by phone", 1.0)

    told = [suppressions.cancel_unwanted(connection, each, 2.0) for each in (message, other)]

    assert [[event.data["error_code"] for event in events] for events in told] == [["opted_out"], []]
    assert _statuses(connection, message.message_id, other.message_id) == [S.CANCELLED, S.QUEUED]


def _of_stranger() -> NewMessage:
    new = new_message(session_id=STRANGER)
    return replace(new, origin=replace(new.origin, user_id="2"))


def _statuses(connection: sqlite3.Connection, *message_ids: str) -> list[MessageStatus]:
    found = [find_message(connection, message_id) for message_id in message_ids]
    return [each.status for each in found if each]


def _is_first(connection: sqlite3.Connection, *message_ids: str) -> list[bool]:
    found = [find_message(connection, message_id) for message_id in message_ids]
    return [each.recipient.is_first_contact for each in found if each]
