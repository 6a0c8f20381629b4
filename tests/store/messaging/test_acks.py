"""What WhatsApp says of messages, in every order, against a model that knows the table only."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import (
    MOVES,
    STANDINGS,
    Attempt,
    Message,
    MessageStatus,
    Move,
    Standing,
)
from openwa_manager.store.delivery.outbox import append
from openwa_manager.store.messaging import quotas
from openwa_manager.store.messaging.messages import find_message
from openwa_manager.store.messaging.moves import begin_attempt, move
from openwa_manager.store.messaging.proofs.acks import EARLY_MAX, FATES, TOLD_MAX, settle_early_acks
from openwa_manager.store.migrations import migrate
from tests.store.messaging.samples import MONTH, SESSION, counted, kept, new_message, tally

S = MessageStatus


def ack(fate: str, whatsapp_id: str = "3EB0", at: float = 2000.0) -> Event:
    """Return an engine's word as a supervisor tells it."""
    data = {"message_id": whatsapp_id, "to": None, "error_code": "failed" if fate == "failed" else None}
    return Event(type=f"message.{fate}", occurred_at=at, session_id=SESSION, user_id="1", launch=3, data=data)


def told(connection: sqlite3.Connection, *events: Event) -> list[Event]:
    return [stored.event for stored in append(connection, events)]


def types(events: Sequence[Event]) -> list[str]:
    return [event.type.removeprefix("message.") for event in events]


def begun(connection: sqlite3.Connection, chat_id: str = "85212345678@c.us") -> Message:
    """Return a message that is being sent."""
    message = kept(connection, new_message(quota_month=MONTH, reference="order-7", chat_id=chat_id))
    moved = begin_attempt(connection, message.message_id, Attempt(number=0, at=1001.0))
    assert moved is not None
    return moved.after


def answered(connection: sqlite3.Connection, message: Message, whatsapp_id: str | None = "3EB0") -> list[Event]:
    """Let the engine's answer come, and return what is told then."""
    moved = move(connection, message.message_id, Move(to=S.SENT, at=1002.0, whatsapp_message_id=whatsapp_id))
    assert moved is not None
    return told(connection, *moved.events, *settle_early_acks(connection, SESSION, moved.after, 1002.0))


def found(connection: sqlite3.Connection, message: Message) -> Message:
    known = find_message(connection, message.message_id)
    assert known is not None
    return known


def test_an_acknowledgement_tells_which_of_our_messages_it_means(connection: sqlite3.Connection) -> None:
    message = begun(connection)
    answered(connection, message)

    (event,) = told(connection, ack("delivered"))

    assert event.data == {
        "message_id": "3EB0",
        "manager_message_id": message.message_id,
        "batch_id": None,
        "to": "85212345678",
        "reference": "order-7",
        "status": "delivered",
        "error_code": None,
        "error_detail": None,
    }
    assert found(connection, message).status is S.DELIVERED
    assert found(connection, message).times.delivered_at == 2000.0


def test_what_was_sent_past_us_is_told_with_no_message_of_ours(connection: sqlite3.Connection) -> None:
    (delivered, failed) = told(connection, ack("delivered", "TYPED"), ack("failed", "TYPED"))

    assert set(delivered.data) == set(failed.data) > {"batch_id", "reference"}
    assert delivered.data["manager_message_id"] is None
    assert (failed.data["status"], failed.data["error_code"]) == ("failed", "negative_ack")


def test_what_is_known_is_told_to_nobody(connection: sqlite3.Connection) -> None:
    message = begun(connection)

    sequence = [answered(connection, message)]
    sequence += [told(connection, ack(fate)) for fate in ("sent", "sent", "read", "delivered", "read", "failed")]

    assert [types(events) for events in sequence] == [["sent"], [], [], ["read"], [], [], []]
    assert found(connection, message).status is S.READ
    assert found(connection, message).times.acked_at == 2000.0


def test_a_refusal_of_what_was_sent_fails_it_and_gives_its_quota_back(connection: sqlite3.Connection) -> None:
    message = begun(connection)
    answered(connection, message)

    (failed,) = told(connection, ack("failed"))

    assert failed.data["manager_message_id"] == message.message_id
    assert (failed.data["status"], failed.data["error_code"]) == ("failed", "negative_ack")
    use = quotas.read_quota(connection, message.origin.user_key, MONTH)
    assert (use.used_count, use.reserved_count) == (0, 0)


def test_an_acknowledgement_before_the_answer_counts_when_that_comes(connection: sqlite3.Connection) -> None:
    message = begun(connection)

    early = told(connection, ack("sent"), ack("delivered"))
    then = answered(connection, message)

    assert early == []
    assert types(then) == ["sent", "delivered"]
    assert all(event.data["manager_message_id"] == message.message_id for event in then)


def test_what_was_kept_is_told_as_foreign_once_nothing_is_in_flight(connection: sqlite3.Connection) -> None:
    first, second = begun(connection), begun(connection)

    kept_back = told(connection, ack("delivered", "TYPED", at=5.0))
    after_first = answered(connection, first, "3EB1")
    after_second = answered(connection, second, "3EB2")

    assert kept_back == []
    assert types(after_first) == ["sent"]
    assert types(after_second) == ["sent", "delivered"]
    foreign = after_second[1]
    assert foreign.data["message_id"] == "TYPED"
    assert foreign.data["manager_message_id"] is None
    assert (foreign.occurred_at, foreign.user_id, foreign.launch) == (5.0, "1", 3)
    assert connection.execute("SELECT count(*) FROM early_ack").fetchone() == (0,)


def test_only_so_many_are_kept(connection: sqlite3.Connection) -> None:
    begun(connection)

    events = told(connection, *(ack("sent", f"TYPED{number}") for number in range(EARLY_MAX + 3)))

    assert len(events) == 3


def test_those_of_nobody_are_told_some_at_a_time(connection: sqlite3.Connection) -> None:
    message = begun(connection)
    told(connection, *(ack("sent", f"TYPED{number}") for number in range(TOLD_MAX + 1)))
    assert move(connection, message.message_id, Move(to=S.FAILED, at=1001.0)) is not None

    some, rest = (settle_early_acks(connection, SESSION, None, 1002.0) for _ in range(2))

    assert [event.data["message_id"] for event in some] == [f"TYPED{number}" for number in range(TOLD_MAX)]
    assert [event.data["message_id"] for event in rest] == [f"TYPED{TOLD_MAX}"]
    assert settle_early_acks(connection, SESSION, None, 1002.0) == []


@pytest.mark.parametrize("whatsapp_id", ["x" * 300, None, 7, "", "\ud83d"])
def test_an_odd_id_is_nobodys(connection: sqlite3.Connection, whatsapp_id: str | int | None) -> None:
    answered(connection, begun(connection))
    event = Event(type="message.read", occurred_at=1.0, session_id=SESSION, data={"message_id": whatsapp_id})

    assert types(told(connection, event)) == ["read"]


def test_an_acknowledgement_of_another_session_is_not_ours(connection: sqlite3.Connection) -> None:
    message = begun(connection)
    answered(connection, message)
    connection.execute("UPDATE message SET session_id = 'other'")

    (event,) = told(connection, ack("read"))

    assert event.data["manager_message_id"] is None
    assert found(connection, message).status is S.SENT


def test_any_acknowledgement_ends_the_wait_for_them(connection: sqlite3.Connection) -> None:
    message = begun(connection)
    answered(connection, message)
    connection.execute(
        "INSERT INTO queue (session_id, held_code, overdue_count) VALUES (?, 'awaiting_acks', 5)", (SESSION,)
    )

    told(connection, ack("sent"))

    row = connection.execute("SELECT held_code, overdue_count, acked_sent_at FROM queue").fetchone()
    assert row == (None, 0, 1002.0)


def test_other_holds_stay(connection: sqlite3.Connection) -> None:
    answered(connection, begun(connection))
    connection.execute("INSERT INTO queue (session_id, held_code) VALUES (?, 'opt_out_flood')", (SESSION,))

    told(connection, ack("delivered"))

    assert connection.execute("SELECT held_code FROM queue").fetchone() == ("opt_out_flood",)


@dataclass
class Model:
    """A message as the table has it, and what was told of it."""

    status: MessageStatus = S.SENDING
    told: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)

    def answer(self) -> None:
        self.status = S.SENT
        self.told.append("sent")
        for fate in dict.fromkeys(self.early):
            self.say(fate)

    def say(self, fate: str) -> None:
        if self.status is S.SENDING:
            self.early.append(fate)
        elif S(fate) in MOVES[self.status]:
            self.status = S(fate)
            self.told.append(fate)


words = st.lists(
    st.tuples(st.sampled_from(["a", "b", "typed"]), st.sampled_from(["sent", "delivered", "read", "failed", "answer"])),
    max_size=25,
)


@given(words=words)
def test_words_in_any_order_come_to_what_the_table_says(words: list[tuple[str, str]]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        messages = {name: begun(connection) for name in ("a", "b")}
        models = {name: Model() for name in messages}
        foreign: list[str] = []
        events: list[Event] = []

        for name, word in [*words, ("a", "answer"), ("b", "answer")]:
            model = models.get(name)
            if word != "answer":
                events += told(connection, ack(word, name))
                if model is None:
                    foreign.append(word)
                else:
                    model.say(word)
            elif model is not None and model.status is S.SENDING:
                events += answered(connection, messages[name], name)
                model.answer()

        for name, model in models.items():
            ours = [event for event in events if event.data["message_id"] == name]
            assert types(ours) == model.told
            assert all(event.data["manager_message_id"] == messages[name].message_id for event in ours)
            assert found(connection, messages[name]).status is model.status
        typed = types([event for event in events if event.data["message_id"] == "typed"])
        assert set(typed) == set(foreign)
        assert connection.execute("SELECT count(*) FROM early_ack").fetchone() == (0,)
        assert tally(connection) == counted(connection)
        booked = sum(STANDINGS[model.status] is Standing.BOOKED for model in models.values())
        use = quotas.read_quota(connection, messages["a"].origin.user_key, MONTH)
        assert (use.used_count, use.reserved_count) == (booked, 0)


def test_every_fate_has_its_state() -> None:
    assert {type_.removeprefix("message."): status.value for type_, status in FATES.items()} == {
        fate: fate for fate in ("sent", "delivered", "read", "failed")
    }
