"""What proves late that a message was sent, and what proves nothing."""

import sqlite3
from dataclasses import replace

import pytest

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import Attempt, Message, MessageStatus, Move, UserKey
from openwa_manager.domain.messaging.sightings import SeenMessage, body_sha256
from openwa_manager.store.delivery.outbox import append
from openwa_manager.store.messaging.messages import find_message
from openwa_manager.store.messaging.moves import begin_attempt, move
from openwa_manager.store.messaging.people import aliases
from openwa_manager.store.messaging.people.linking import link
from openwa_manager.store.messaging.proofs.evidence import (
    find_candidates,
    is_all_proven,
    mark_overdue,
    read_of_use,
    read_outstanding,
    sessions_lacking_proof,
    settle_listed,
    settle_seen,
)
from tests.store.messaging.samples import SESSION, kept, new_message
from tests.store.messaging.test_acks import ack

S = MessageStatus
ANNA, HIDDEN = "85212345678@c.us", "777@lid"
BEGUN, ENDED, NOW = 1000.0, 1030.0, 1200.0


def uncertain(connection: sqlite3.Connection, text: str = "hello", chat_id: str = ANNA) -> Message:
    """Return a message in flight, of whose attempt nothing is known."""
    message = kept(connection, new_message(text=text, chat_id=chat_id))
    begun = begin_attempt(connection, message.message_id, Attempt(number=0, at=BEGUN))
    assert begun is not None
    connection.execute("UPDATE attempt SET outcome = 'uncertain', ended_at = ?", (ENDED,))
    return begun.after


def unknown(connection: sqlite3.Connection, text: str = "hello", chat_id: str = ANNA) -> Message:
    moved = move(connection, uncertain(connection, text, chat_id).message_id, Move(to=S.UNKNOWN, at=ENDED))
    assert moved is not None
    return moved.after


def sent(connection: sqlite3.Connection, whatsapp_id: str, at: float = BEGUN) -> Message:
    message = kept(connection)
    begin_attempt(connection, message.message_id, Attempt(number=0, at=at))
    moved = move(connection, message.message_id, Move(to=S.SENT, at=at, whatsapp_message_id=whatsapp_id))
    assert moved is not None
    return moved.after


def seen(text: str = "hello", chat_id: str = ANNA, at: float | None = 1001.0, message_id: str = "3EB0") -> SeenMessage:
    return SeenMessage(message_id=message_id, chat_id=chat_id, body_sha256=body_sha256(text), at=at)


def status(connection: sqlite3.Connection, message: Message) -> MessageStatus:
    found = find_message(connection, message.message_id)
    assert found is not None
    return found.status


@pytest.mark.parametrize("unproven", [uncertain, unknown])
def test_what_the_engine_saw_leave_proves_that_it_was_sent(connection: sqlite3.Connection, unproven: object) -> None:
    assert callable(unproven)
    message = unproven(connection)

    told = settle_seen(connection, SESSION, seen(), NOW)

    assert [event.type for event in told] == ["message.sent"]
    found = find_message(connection, message.message_id)
    assert found is not None
    assert (found.status, found.whatsapp_message_id) == (S.SENT, "3EB0")
    assert settle_seen(connection, SESSION, seen(), NOW) == []


@pytest.mark.parametrize(
    "other",
    [
        seen(text="something else"),
        seen(chat_id="4917012345@c.us"),
        seen(chat_id="no chat"),
        seen(at=BEGUN - 10),
        seen(at=ENDED + 100),
    ],
)
def test_what_may_be_another_message_proves_nothing(connection: sqlite3.Connection, other: SeenMessage) -> None:
    message = unknown(connection)

    assert settle_seen(connection, SESSION, other, NOW) == []
    assert settle_listed(connection, message.message_id, [other], NOW) == []
    assert status(connection, message) is S.UNKNOWN


def test_an_attempt_that_is_being_made_is_not_looked_up(connection: sqlite3.Connection) -> None:
    message = kept(connection)
    begin_attempt(connection, message.message_id, Attempt(number=0, at=BEGUN))

    assert find_candidates(connection, SESSION, [ANNA], body_sha256("hello"), BEGUN + 1) == []
    assert is_all_proven(read_outstanding(connection, SESSION, NOW))


def test_of_two_that_fit_neither_is_taken(connection: sqlite3.Connection) -> None:
    first, second = unknown(connection), unknown(connection)

    assert settle_seen(connection, SESSION, seen(), NOW) == []
    assert settle_listed(connection, first.message_id, [seen()], NOW) == []
    assert (status(connection, first), status(connection, second)) == (S.UNKNOWN, S.UNKNOWN)


def test_of_a_list_exactly_one_must_fit(connection: sqlite3.Connection) -> None:
    message = unknown(connection)
    sent(connection, "OURS")
    typed = seen(message_id="TYPED")

    assert settle_listed(connection, message.message_id, [seen(), typed], NOW) == []
    told = settle_listed(
        connection, message.message_id, [seen(message_id="OURS"), seen(at=None, message_id="X"), seen()], NOW
    )

    assert [event.data["message_id"] for event in told] == ["3EB0"]
    assert status(connection, message) is S.SENT


def test_what_the_list_says_became_of_it_counts(connection: sqlite3.Connection) -> None:
    message = unknown(connection)

    told = settle_listed(connection, message.message_id, [replace(seen(), fate="read")], NOW)

    assert [event.type for event in told] == ["message.sent", "message.read"]


def test_acknowledgements_that_came_before_the_proof_count(connection: sqlite3.Connection) -> None:
    message = uncertain(connection)
    early = append(connection, [ack("delivered")])

    told = settle_seen(connection, SESSION, seen(), NOW)

    assert early == []
    assert [event.type for event in told] == ["message.sent", "message.delivered"]
    assert status(connection, message) is S.DELIVERED


def test_the_chat_may_have_another_name(connection: sqlite3.Connection) -> None:
    message = unknown(connection)
    link(connection, UserKey("session:" + SESSION), ANNA, HIDDEN, 1.0)

    told = settle_seen(connection, SESSION, seen(chat_id=HIDDEN), NOW)

    assert len(told) == 1
    assert status(connection, message) is S.SENT


def test_an_engine_that_names_the_chat_differently_tells_who_that_is(connection: sqlite3.Connection) -> None:
    message = sent(connection, "3EB0")
    other, plain = seen(chat_id=HIDDEN), seen(message_id="TYPED")

    of_use, left = read_of_use(connection, SESSION, [other, plain], NOW)
    settle_seen(connection, SESSION, other, NOW)

    assert (of_use, left) == ([other], [plain])
    assert aliases.names_of(connection, message.origin.user_key, HIDDEN) == [ANNA, HIDDEN]
    assert read_of_use(connection, SESSION, [other], NOW) == ([], [])


def test_what_lacks_proof_is_found(connection: sqlite3.Connection) -> None:
    assert sessions_lacking_proof(connection, NOW) == []
    in_flight, lost, waiting = uncertain(connection, "a"), unknown(connection, "b"), sent(connection, "3EB1")

    outstanding = read_outstanding(connection, SESSION, NOW)
    much_later = read_outstanding(connection, SESSION, NOW + 5000)

    assert sessions_lacking_proof(connection, NOW) == [SESSION]
    assert [(each.message.message_id, each.since) for each in outstanding.unproven] == [
        (in_flight.message_id, ENDED),
        (lost.message_id, ENDED),
    ]
    assert outstanding.unacknowledged is not None
    assert outstanding.unacknowledged.message_id == waiting.message_id
    assert [each.message.message_id for each in much_later.unproven] == [in_flight.message_id]


def overdue(connection: sqlite3.Connection, message: Message) -> list[Event]:
    return mark_overdue(connection, message.message_id, NOW)


def test_the_fifth_without_an_acknowledgement_holds_the_queue(connection: sqlite3.Connection) -> None:
    kept(connection)
    messages = [sent(connection, f"M{number}", at=BEGUN + number) for number in range(6)]

    told = [overdue(connection, message) for message in messages]

    assert [len(each) for each in told] == [0, 0, 0, 0, 1, 0]
    assert told[4][0].data == {"hold": "awaiting_acks", "waiting": 1}
    assert read_outstanding(connection, SESSION, NOW).is_held
    append(connection, [ack("sent", "M3")])
    assert not read_outstanding(connection, SESSION, NOW).is_held
    found = find_message(connection, messages[3].message_id)
    assert found is not None
    assert not found.ack_overdue


def test_an_acknowledgement_in_between_ends_the_row(connection: sqlite3.Connection) -> None:
    messages = [sent(connection, f"M{number}", at=BEGUN + number) for number in range(9)]
    append(connection, [ack("delivered", "M4")])

    told = [overdue(connection, message) for message in messages]

    assert told == [[]] * 9  # four before it, and four after it
    assert overdue(connection, messages[0]) == []
