"""What is forgotten of messages, when, and that their counts stay."""

import sqlite3

from openwa_manager.domain.messaging.messages import BatchId, MessageId, MessageStatus, Move
from openwa_manager.domain.messaging.policy import MessageRetention
from openwa_manager.store.messaging import messages, moves
from openwa_manager.store.messaging.heads import count_by_status
from openwa_manager.store.messaging.people import checks
from openwa_manager.store.messaging.upkeep.retention import SLICE, forget_old
from tests.store.messaging.samples import SESSION, kept, new_message, tally

RETENTION = MessageRetention(body_s=100.0, message_s=1000.0)
NOW = 10_000.0


def forget_all(connection: sqlite3.Connection, at: float = NOW) -> int:
    """Forget until nothing is left to forget; return how many writes that took."""
    writes = 1
    while forget_old(connection, at, RETENTION):
        writes += 1
    return writes


def ended(connection: sqlite3.Connection, status: MessageStatus, at: float, batch_id: str = "") -> MessageId:
    message = kept(connection, new_message(batch_id=BatchId(batch_id)))
    for to in (MessageStatus.SENDING, status):
        moves.move(connection, message.message_id, Move(to=to, at=at))
    return message.message_id


def batch(connection: sqlite3.Connection, name: str, ended_at: float | None) -> None:
    sql = """
        INSERT INTO batch (batch_id, session_id, user_key, route, state, expires_at, accepted_count, rejected,
            created_at, ended_at) VALUES (?, ?, 'user:1', 'api', 'done', 0, 1, '{}', 0, ?)"""
    connection.execute(sql, (name, SESSION, ended_at))


def test_a_text_that_could_be_sent_again_is_wiped_after_its_time(connection: sqlite3.Connection) -> None:
    old = ended(connection, MessageStatus.UNKNOWN, NOW - 101)
    young = ended(connection, MessageStatus.FAILED, NOW - 99)

    forget_all(connection)

    wiped, left = messages.find_message(connection, old), messages.find_message(connection, young)
    assert wiped is not None
    assert wiped.body is None
    assert wiped.status is MessageStatus.UNKNOWN
    assert left is not None
    assert left.body is not None


def test_old_messages_go_with_their_attempts_and_their_counts_stay(connection: sqlite3.Connection) -> None:
    old = ended(connection, MessageStatus.SENT, NOW - 1001)
    kept(connection)

    forget_all(connection)

    assert messages.find_message(connection, old) is None
    assert count_by_status(connection, SESSION) == {MessageStatus.QUEUED: 1, MessageStatus.SENT: 1}
    (size_bytes,) = connection.execute("SELECT sum(size_bytes) FROM message_tally WHERE status = 'sent'").fetchone()
    assert size_bytes == 0


def test_what_waits_or_is_in_flight_is_never_forgotten(connection: sqlite3.Connection) -> None:
    waiting, asked = kept(connection), kept(connection)
    moves.move(connection, asked.message_id, Move(to=MessageStatus.SENDING, at=1.0))

    forget_all(connection)

    assert messages.find_message(connection, waiting.message_id) is not None
    assert messages.find_message(connection, asked.message_id) is not None


def test_a_write_takes_a_bounded_part(connection: sqlite3.Connection) -> None:
    for _ in range(SLICE + 1):
        ended(connection, MessageStatus.SENT, NOW - 2000)
        ended(connection, MessageStatus.FAILED, NOW - 2000)

    first = forget_old(connection, NOW, RETENTION)

    assert first == SLICE
    forget_all(connection)
    assert connection.execute("SELECT count(*) FROM message").fetchone() == (0,)


def test_a_batch_goes_after_its_messages_and_the_session_keeps_the_counts(connection: sqlite3.Connection) -> None:
    batch(connection, "batch_old", NOW - 1001)
    batch(connection, "batch_open", None)
    batch(connection, "batch_young", NOW - 1)
    ended(connection, MessageStatus.READ, NOW - 1002, "batch_old")
    ended(connection, MessageStatus.READ, NOW - 1002, "batch_young")

    forget_all(connection)

    left = connection.execute("SELECT batch_id FROM batch ORDER BY batch_id").fetchall()
    assert left == [("batch_open",), ("batch_young",)]
    assert tally(connection) == {(SESSION, "", "read", 0): 1, (SESSION, "batch_young", "read", 0): 1}


def test_checks_and_early_acknowledgements_have_their_times(connection: sqlite3.Connection) -> None:
    day_s = 86_400.0
    now = 100 * day_s
    said = [("1", "1@c.us", 8), ("2", "2@c.us", 6), ("3", None, 2), ("4", None, 0.5)]
    rows = [("s", digits, chat, now - days * day_s) for digits, chat, days in said]
    connection.executemany("INSERT INTO number_check VALUES (?, ?, ?, ?)", rows)
    acks = [("a", now - 3601), ("b", now - 3599)]
    sql = "INSERT INTO early_ack (session_id, whatsapp_message_id, type, data, at) VALUES ('s', ?, 'sent', '{}', ?)"
    connection.executemany(sql, acks)

    forget_all(connection, now)
    assert checks.forget_old(connection, now) is None

    assert connection.execute("SELECT digits FROM number_check ORDER BY digits").fetchall() == [("2",), ("4",)]
    assert connection.execute("SELECT whatsapp_message_id FROM early_ack").fetchall() == [("b",)]


def test_checks_are_looked_at_a_slice_at_a_time_and_each_once(connection: sqlite3.Connection) -> None:
    rows = [("s", f"{number:06}", None, NOW) for number in range(checks.SLICE + 1)]
    connection.executemany("INSERT INTO number_check VALUES (?, ?, ?, ?)", rows)
    later = NOW + checks.NO_S + 1

    behind = checks.forget_old(connection, later)

    assert behind == ("s", f"{checks.SLICE - 1:06}")
    assert connection.execute("SELECT count(*) FROM number_check").fetchone() == (1,)
    assert checks.forget_old(connection, later, behind) is None
    assert connection.execute("SELECT count(*) FROM number_check").fetchone() == (0,)
