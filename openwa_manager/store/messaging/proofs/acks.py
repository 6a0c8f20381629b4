"""What WhatsApp says became of messages: which of ours it means, what that changes, and whether it is news.

Theory. An engine names a message by WhatsApp's id, and says the same thing more than once, late, or in any order. The
table of the domain decides what a word still changes; what changes nothing is told to nobody. An id that no message of
ours has may be that of one whose answer is on its way, or was lost: while a message of the session is in flight, and
for a while after one has become `unknown`, such a word is kept (`early_ack`). It is told once its message is known, or
once none is awaited any more: then it was sent past us.

Nothing here advances the position of the database (position.py): a copy that lacks an acknowledgement sends nothing
that this one would not.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import Message, MessageError, MessageStatus, Move, may_move
from openwa_manager.domain.messaging.words import ENDS, EndCode
from openwa_manager.domain.session.session import SessionId
from openwa_manager.store.columns import json_object, query, text, to_json
from openwa_manager.store.messaging.moves import move_found
from openwa_manager.store.messaging.rows import message_of

_S = MessageStatus
#: The type of an engine's event -> what it says of a message.
FATES: Mapping[str, MessageStatus] = {
    "message.sent": _S.SENT,
    "message.delivered": _S.DELIVERED,
    "message.read": _S.READ,
    "message.failed": _S.FAILED,
}
#: WhatsApp's ids have some 20 to 100 characters; a longer one is nobody's.
ID_MAX_CHARS = 256
#: How many early words are kept for one session; more are told as if they were of messages sent past us.
EARLY_MAX = 1000
#: How many of them are told in one write; other writes wait meanwhile.
TOLD_MAX = 200
#: How long after a message has become `unknown` its proof is likely to come: two looks at the engine's list.
PROOF_AWAITED_S = 35.0
_REFUSED = MessageError(code=EndCode.NEGATIVE_ACK, detail=ENDS[EndCode.NEGATIVE_ACK])


def tell_fate(connection: sqlite3.Connection, event: Event) -> Sequence[Event]:
    """Return what is told in the place of an engine's word about a message; our own events stay as they are."""
    if "manager_message_id" in event.data:
        return (event,)
    whatsapp_id = event.data.get("message_id")
    if event.session_id is None or not isinstance(whatsapp_id, str) or len(whatsapp_id) > ID_MAX_CHARS:
        return (_foreign(event),)
    whatsapp_id = text(whatsapp_id)
    row = query(connection, _FIND, (event.session_id, whatsapp_id)).fetchone()
    if row is not None:
        return _apply(connection, row, FATES[event.type], event.occurred_at)
    if _is_awaited(connection, event.session_id, event.occurred_at) and _keep(connection, whatsapp_id, event):
        return ()
    return (_foreign(event),)


_FIND = """
    SELECT * FROM message INDEXED BY message_by_whatsapp_id WHERE session_id = ? AND whatsapp_message_id = ?
    ORDER BY seq LIMIT 1"""


def note_fate(connection: sqlite3.Connection, message: Message, fate: MessageStatus, at: float) -> Sequence[Event]:
    """Take in what is said of one of our messages at wall time `at`; return the events that tell what is new."""
    row = query(connection, "SELECT * FROM message WHERE seq = ?", (message.seq,)).fetchone()
    return () if row is None else _apply(connection, row, fate, at)


def _apply(connection: sqlite3.Connection, row: sqlite3.Row, fate: MessageStatus, at: float) -> Sequence[Event]:
    is_first = row["acked_at"] is None
    events: Sequence[Event] = ()
    if may_move(_S(row["status"]), fate):
        error = _REFUSED if fate is _S.FAILED else None
        moved = move_found(connection, message_of(row), Move(to=fate, at=at, error=error, is_ack=True))
        events = moved.events if moved else ()
    elif is_first:
        connection.execute("UPDATE message SET acked_at = ?, ack_overdue = 0 WHERE seq = ?", (at, row["seq"]))
    if is_first:
        _end_streak(connection, row["session_id"], row["sent_at"] or at)
    return events


def _end_streak(connection: sqlite3.Connection, session_id: str, sent_at: float) -> None:
    """Note that acknowledgements come: what waited for one goes on."""
    connection.execute(_END_STREAK, (session_id, sent_at))


_END_STREAK = """
    INSERT INTO queue (session_id, acked_sent_at) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET acked_sent_at = max(ifnull(acked_sent_at, 0), excluded.acked_sent_at), overdue_count = 0,
        held_detail = iif(held_code = 'awaiting_acks', NULL, held_detail),
        held_code = iif(held_code = 'awaiting_acks', NULL, held_code)"""


def _foreign(event: Event) -> Event:
    """Return the event of a message that was sent past us, with the fields that those of ours have."""
    fate = FATES[event.type]
    data = {
        **event.data,
        "manager_message_id": None,
        "batch_id": None,
        "to": event.data.get("to"),
        "reference": None,
        "status": fate.value,
        "error_code": EndCode.NEGATIVE_ACK.value if fate is _S.FAILED else None,
        "error_detail": _REFUSED.detail if fate is _S.FAILED else None,
    }
    return replace(event, data=data)


def _keep(connection: sqlite3.Connection, whatsapp_id: str, event: Event) -> bool:
    """Keep a word for the message whose id is yet to come; return False when too many wait."""
    sql = "SELECT count(*) FROM early_ack WHERE session_id = ?"
    if connection.execute(sql, (event.session_id,)).fetchone()[0] >= EARLY_MAX:
        return False
    about = (event.type, to_json(event.data), event.occurred_at, event.user_id, event.launch)
    connection.execute(_KEEP, (event.session_id, whatsapp_id, *about))
    return True


_KEEP = """
    INSERT OR IGNORE INTO early_ack (session_id, whatsapp_message_id, type, data, at, user_id, launch)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


def _is_awaited(connection: sqlite3.Connection, session_id: SessionId, at: float) -> bool:
    return connection.execute(_AWAITED, (session_id, session_id, at - PROOF_AWAITED_S)).fetchone() is not None


_AWAITED = """
    SELECT 1 FROM message INDEXED BY message_in_flight WHERE session_id = ? AND status = 'sending'
    UNION ALL
    SELECT 1 FROM message INDEXED BY message_unproven WHERE session_id = ? AND status = 'unknown' AND ended_at > ?
    LIMIT 1"""


def has_early_acks(connection: sqlite3.Connection, session_id: SessionId) -> bool:
    """Tell whether any word is kept for a message of the session."""
    sql = "SELECT 1 FROM early_ack WHERE session_id = ? LIMIT 1"
    return connection.execute(sql, (session_id,)).fetchone() is not None


def settle_early_acks(
    connection: sqlite3.Connection, session_id: SessionId, message: Message | None, at: float
) -> list[Event]:
    """Take in what was said of a message before its id was known; to be called whenever an attempt has ended.

    `message` is the one whose attempt that was, as it is now (None: of no matter). What is left once none is awaited
    any more is told as of messages sent past us, at most `TOLD_MAX` of it. The caller stores the events in the same
    transaction.
    """
    events: list[Event] = []
    if message is not None and message.whatsapp_message_id is not None:
        taken = _take(connection, _TAKE_OF_MESSAGE, (session_id, text(message.whatsapp_message_id)))
        for early in taken:
            events += note_fate(connection, message, FATES[early.type], at)
    if not _is_awaited(connection, session_id, at):
        events += [_foreign(early) for early in _take(connection, _TAKE_SOME, (session_id,))]
    return events


_TAKE_OF_MESSAGE = "DELETE FROM early_ack WHERE session_id = ? AND whatsapp_message_id = ? RETURNING *"
_TAKE_SOME = f"""
    DELETE FROM early_ack WHERE seq IN (SELECT seq FROM early_ack WHERE session_id = ? ORDER BY seq LIMIT {TOLD_MAX})
    RETURNING *"""  # noqa: S608 (our number)


def _take(connection: sqlite3.Connection, sql: str, about: Sequence[str]) -> Iterable[Event]:
    rows = sorted(query(connection, sql, about).fetchall(), key=lambda row: int(row["seq"]))
    return [
        Event(
            type=row["type"],
            occurred_at=row["at"],
            session_id=SessionId(row["session_id"]),
            user_id=row["user_id"],
            launch=row["launch"],
            data=json_object(row["data"]),
        )
        for row in rows
    ]
