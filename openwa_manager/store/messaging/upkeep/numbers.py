"""What is counted of all messages, without reading any of them."""

import sqlite3
from collections.abc import Mapping

from openwa_manager.domain.messaging.messages import BatchId
from openwa_manager.domain.session.session import SessionId

#: A session, one of its batches (or none), and whether these are first contacts: one line of waiting messages.
Line = tuple[SessionId, BatchId, bool]


def count_outcomes(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return how many messages were ever sent, or ended otherwise, by the route they came by and what became of them.

    One whose fate was first unknown counts twice.
    """
    rows = connection.execute("SELECT route, outcome, message_count FROM message_total")
    return {(route, outcome): count for route, outcome, count in rows}


def count_waiting(connection: sqlite3.Connection) -> Mapping[Line, int]:
    """Return how many messages wait in each line of all sessions in which there are any."""
    rows = connection.execute(_WAITING)
    return {(SessionId(a), BatchId(b), bool(is_first)): count for a, b, is_first, count in rows}


_WAITING = """
    SELECT session_id, batch_id, is_first_contact, message_count FROM message_tally
    WHERE status = 'queued' AND message_count > 0
        AND batch_id NOT IN (SELECT batch_id FROM batch WHERE state = 'staging')"""


def count_overdue_acks(connection: sqlite3.Connection) -> dict[SessionId, int]:
    """Return how many messages in a row were not acknowledged in time, of each session in which there are any."""
    rows = connection.execute("SELECT session_id, overdue_count FROM queue WHERE overdue_count > 0")
    return {SessionId(session_id): count for session_id, count in rows}
