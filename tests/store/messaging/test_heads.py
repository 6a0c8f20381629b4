import sqlite3

from openwa_manager.domain.messaging.messages import Attempt, Hold, HoldCode, MessageStatus, Priority
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import heads
from openwa_manager.store.messaging.moves import begin_attempt
from tests.store.messaging.samples import SESSION, kept, new_message


def head_texts(connection: sqlite3.Connection) -> list[str]:
    found = [heads.read_head(connection, SESSION, each) for each in heads.read_sub_queues(connection, SESSION)]
    return [each.body.text for each in found if each is not None and each.body is not None]


def test_of_one_line_the_first_of_the_better_priority_is_its_head(connection: sqlite3.Connection) -> None:
    kept(connection, new_message(text="low", priority=Priority.LOW))
    kept(connection, new_message(text="first"))
    kept(connection, new_message(text="second"))

    assert head_texts(connection) == ["first"]


def test_first_contacts_stand_in_a_line_of_their_own(connection: sqlite3.Connection) -> None:
    kept(connection, new_message(text="stranger", is_first_contact=True))
    kept(connection, new_message(text="friend"))

    assert sorted(head_texts(connection)) == ["friend", "stranger"]


def test_what_is_sent_later_sleeps_until_then(connection: sqlite3.Connection) -> None:
    kept(connection, new_message(text="later", hold=Hold(code=HoldCode.SEND_AFTER, until=5000.0)))

    assert head_texts(connection) == []
    assert heads.next_due_at(connection, SESSION) == 5000.0
    assert heads.wake_due(connection, SESSION, 4999.0) == 0
    assert heads.wake_due(connection, SESSION, 5000.0) == 1
    assert head_texts(connection) == ["later"]


def test_another_session_s_messages_are_not_seen(connection: sqlite3.Connection) -> None:
    other = kept(connection, new_message(session_id=SessionId("user_2_session_b")))
    begin_attempt(connection, other.message_id, Attempt(number=0, at=1.0))

    assert heads.read_sub_queues(connection, SESSION) == []
    assert heads.read_in_flight(connection, SESSION) == []
    assert heads.sessions_with_open(connection) == [SessionId("user_2_session_b")]
    assert heads.waiting_on_host(connection)[0] == 0


def test_what_has_no_more_time_is_found(connection: sqlite3.Connection) -> None:
    kept(connection, new_message(text="old", expires_at=2000.0))
    kept(connection, new_message(text="new", expires_at=3000.0))

    assert heads.next_expiry_at(connection, SESSION) == 2000.0
    assert [each.body.text for each in heads.read_expired(connection, SESSION, 2000.0) if each.body] == ["old"]
    assert heads.count_by_status(connection, SESSION) == {MessageStatus.QUEUED: 2}


def test_no_query_of_a_turn_reads_the_whole_queue(connection: sqlite3.Connection) -> None:
    """200,000 rows wait somewhere: whatever reads them all would hold up every other session."""
    ready = "session_id = 'a' AND batch_id = '' AND is_first_contact = 0 AND status = 'queued' AND due_at = 0"
    for sql in (
        f"SELECT * FROM message INDEXED BY message_ready WHERE {ready} ORDER BY priority, seq LIMIT 1",  # noqa: S608 (our words)
        "SELECT due_at FROM message WHERE session_id = 'a' AND status = 'queued' AND due_at > 0 ORDER BY due_at",
        "SELECT expires_at FROM message WHERE session_id = 'a' AND status = 'queued' ORDER BY expires_at",
        "SELECT * FROM message WHERE session_id = 'a' AND status = 'sending'",
    ):
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan
