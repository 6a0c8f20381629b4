"""Messages to be kept, for tests: what does not matter has a default."""

import sqlite3
from typing import TypedDict, Unpack

from openwa_manager.domain.messaging.messages import (
    NO_BATCH,
    BatchId,
    Body,
    Hold,
    Kind,
    Message,
    MessageStatus,
    Origin,
    Priority,
    Recipient,
    Times,
)
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.messaging import messages, quotas
from openwa_manager.store.messaging.messages import NewMessage

SESSION = SessionId("user_1_session_a")
MONTH = "2026-11"


class Facts(TypedDict, total=False):
    """What a test may say of a message."""

    session_id: SessionId
    chat_id: str
    text: str
    batch_id: BatchId
    priority: Priority
    is_first_contact: bool
    hold: Hold
    at: float
    expires_at: float
    quota_month: str
    status: MessageStatus
    reference: str


def new_message(**facts: Unpack[Facts]) -> NewMessage:
    """Return a message that is to be kept."""
    chat_id = facts.get("chat_id", "85212345678@c.us")
    return NewMessage(
        origin=Origin(
            session_id=facts.get("session_id", SESSION),
            user_id="1",
            batch_id=facts.get("batch_id", NO_BATCH),
            priority=facts.get("priority", Priority.NORMAL),
            reference=facts.get("reference"),
        ),
        recipient=Recipient(
            to=chat_id.partition("@")[0], chat_id=chat_id, is_first_contact=facts.get("is_first_contact", False)
        ),
        body=Body(kind=Kind.TEXT, text=facts.get("text", "hello")),
        times=Times(created_at=facts.get("at", 1000.0), expires_at=facts.get("expires_at", 90_000.0)),
        hold=facts.get("hold"),
        quota_month=facts.get("quota_month"),
        status=facts.get("status", MessageStatus.QUEUED),
    )


def kept(connection: sqlite3.Connection, new: NewMessage | None = None) -> Message:
    """Keep a message, with what it takes of its quota."""
    new = new or new_message()
    if new.quota_month is not None:
        quotas.reserve(connection, new.origin.user_key, new.quota_month, 1)
    return messages.add_message(connection, new)


def tally(connection: sqlite3.Connection) -> dict[tuple[str, str, str, int], int]:
    """Return what the triggers have counted."""
    sql = "SELECT session_id, batch_id, status, is_first_contact, message_count FROM message_tally WHERE message_count"
    return {(a, b, c, d): count for a, b, c, d, count in connection.execute(sql)}


def counted(connection: sqlite3.Connection) -> dict[tuple[str, str, str, int], int]:
    """Return the same by counting."""
    sql = """
        SELECT session_id, batch_id, status, is_first_contact, count(*) FROM message
        GROUP BY session_id, batch_id, status, is_first_contact"""
    return {(a, b, c, d): count for a, b, c, d, count in connection.execute(sql)}
