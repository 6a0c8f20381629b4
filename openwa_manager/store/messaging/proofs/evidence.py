"""Proof that comes late: which of our messages an engine has seen leave, and of which no acknowledgement came.

Theory. Of an attempt without an answer nothing is known. A message that the engine saw leave proves that it was sent,
if it can be no other: it went to that chat, under any of its names, with that text, within the time of the attempt, its
id is nobody's yet, and both are the only ones of which all this is true. Where two fit, neither is taken: a wrong proof
is worse than none.
"""

import sqlite3
from collections.abc import Sequence

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import (
    HoldCode,
    Message,
    MessageId,
    MessageStatus,
    Move,
    UserKey,
    user_key_of,
)
from openwa_manager.domain.messaging.recipients import seen_chat_id
from openwa_manager.domain.messaging.sightings import (
    LOOKUPS_S,
    OVERDUE_MAX,
    SEEN_AFTER_S,
    SEEN_BEFORE_S,
    SeenMessage,
)
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.columns import query, text, to_json
from openwa_manager.store.messaging.holding import hold
from openwa_manager.store.messaging.messages import find_by_whatsapp_id, find_message
from openwa_manager.store.messaging.moves import move
from openwa_manager.store.messaging.people.aliases import names_of
from openwa_manager.store.messaging.people.linking import link
from openwa_manager.store.messaging.proofs.acks import PROOF_AWAITED_S, has_early_acks, note_fate, settle_early_acks
from openwa_manager.store.messaging.rows import message_of

_S = MessageStatus
#: How many messages are looked at in one go.
_MAX = 200
#: What an engine's list says of a message that WhatsApp has acknowledged; `sent` there means no more than handed over.
_ACKNOWLEDGED = frozenset({"delivered", "read", "failed"})
_NO_ACKS = "no acknowledgement has come for the last messages; they may not reach anybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """A message that may have been sent, and since when that is so (wall time)."""

    message: Message
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """What a session still lacks proof of.

    `unacknowledged` is the first message that waits for its acknowledgement; `is_held` tells that the queue waits for
    any. `acks_kept_until` is when early ones that have found no message are told (wall time; None: none may be kept).
    """

    unproven: Sequence[Unproven]
    unacknowledged: Message | None
    is_held: bool
    acks_kept_until: float | None


def sessions_lacking_proof(connection: sqlite3.Connection, now: float) -> list[SessionId]:
    """Return the sessions of which `read_outstanding` finds anything."""
    sql = """
        SELECT session_id FROM message_tally WHERE status IN ('sending', 'unknown', 'sent') AND message_count > 0
        UNION SELECT session_id FROM queue WHERE held_code = 'awaiting_acks'
        UNION SELECT session_id FROM early_ack"""
    sessions = [SessionId(session_id) for (session_id,) in connection.execute(sql)]
    return [each for each in sessions if not is_all_proven(read_outstanding(connection, each, now))]


def is_all_proven(outstanding: Outstanding) -> bool:
    """Tell whether nothing is lacking."""
    is_waiting = outstanding.is_held or outstanding.acks_kept_until is not None
    return not outstanding.unproven and outstanding.unacknowledged is None and not is_waiting


def read_outstanding(connection: sqlite3.Connection, session_id: SessionId, now: float) -> Outstanding:
    """Return what the session lacks proof of, as far as that may still come."""
    row = query(connection, _UNACKNOWLEDGED, (session_id,)).fetchone()
    held = connection.execute("SELECT held_code FROM queue WHERE session_id = ?", (session_id,)).fetchone()
    unknown = _unproven(connection, _UNKNOWN, (session_id, now - LOOKUPS_S[-1] - SEEN_AFTER_S, _MAX))
    return Outstanding(
        unproven=[*_unproven(connection, _UNCERTAIN, (session_id, _MAX)), *unknown],
        acks_kept_until=_acks_kept_until(connection, session_id, now),
        unacknowledged=message_of(row) if row else None,
        is_held=held is not None and held[0] == HoldCode.AWAITING_ACKS,
    )


def _acks_kept_until(connection: sqlite3.Connection, session_id: SessionId, now: float) -> float | None:
    sql = """
        SELECT max(ended_at) FROM message INDEXED BY message_unproven
        WHERE session_id = ? AND status = 'unknown' AND ended_at > ?"""
    since = connection.execute(sql, (session_id, now - PROOF_AWAITED_S)).fetchone()[0]
    if since is not None:
        return float(since) + PROOF_AWAITED_S
    return now if has_early_acks(connection, session_id) else None


def _unproven(connection: sqlite3.Connection, sql: str, about: Sequence[str | float]) -> list[Unproven]:
    return [Unproven(message=message_of(row), since=row["since"]) for row in query(connection, sql, about)]


_UNKNOWN = """
    SELECT *, ended_at AS since FROM message INDEXED BY message_unproven
    WHERE session_id = ? AND status = 'unknown' AND ended_at > ? ORDER BY ended_at LIMIT ?"""
#: In flight with the outcome of an attempt unknown: the one that is being made now is awaited, not looked up.
_UNCERTAIN = """
    SELECT message.*, min(attempt.ended_at) AS since FROM message INDEXED BY message_in_flight
        JOIN attempt ON attempt.message_seq = message.seq AND attempt.outcome IN ('uncertain', 'unknown')
    WHERE session_id = ? AND status = 'sending' AND attempt.ended_at IS NOT NULL
    GROUP BY message.seq ORDER BY message.seq LIMIT ?"""
_UNACKNOWLEDGED = """
    SELECT * FROM message INDEXED BY message_unacknowledged
    WHERE session_id = ? AND status = 'sent' AND acked_at IS NULL AND ack_overdue = 0 ORDER BY sent_at LIMIT 1"""


def find_candidates(
    connection: sqlite3.Connection, session_id: SessionId, names: Sequence[str], body_sha256: str, at: float
) -> list[Message]:
    """Return our unproven messages to a chat of these names that may be what left with this text at wall time `at`."""
    found: list[Message] = []
    for status, index in ((_S.UNKNOWN, "message_unproven"), (_S.SENDING, "message_in_flight")):
        sql = _CANDIDATES.format(index=index, status=status)
        about = (session_id, body_sha256, to_json(list(names)), at, SEEN_BEFORE_S, SEEN_AFTER_S, _MAX)
        found += [message_of(row) for row in query(connection, sql, about)]
    return found


#: Of a message in flight the last attempt does not count: its answer is yet to come. An attempt that a kill has cut
#: short has no end.
_CANDIDATES = """
    SELECT * FROM message INDEXED BY {index}
    WHERE session_id = ?1 AND status = '{status}' AND body_sha256 = ?2 AND whatsapp_message_id IS NULL
        AND chat_id IN (SELECT value FROM json_each(?3))
        AND EXISTS (
            SELECT 1 FROM attempt WHERE message_seq = message.seq
                AND (outcome IN ('uncertain', 'unknown') OR outcome IS NULL AND message.status = 'unknown')
                AND ?4 BETWEEN at - ?5 AND ifnull(ended_at, at) + ?6)
    LIMIT ?7"""


def read_of_use(
    connection: sqlite3.Connection, session_id: SessionId, seen: Sequence[SeenMessage], now: float
) -> tuple[list[SeenMessage], list[SeenMessage]]:
    """Return those that tell something about our messages now, and those that still may; the rest tells nothing."""
    of_use: list[SeenMessage] = []
    left: list[SeenMessage] = []
    for each in seen:
        known = find_by_whatsapp_id(connection, session_id, each.message_id)
        if known is None:
            is_one = len(_candidates_of(connection, session_id, each, now)) == 1
            (of_use if is_one else left).append(each)
        elif set(_chats_of(each)) - set(names_of(connection, known.origin.user_key, known.recipient.chat_id)):
            of_use.append(each)
    return of_use, left


def settle_seen(connection: sqlite3.Connection, session_id: SessionId, seen: SeenMessage, at: float) -> list[Event]:
    """Take in that a message was seen to leave, and return the events that tell what that proves."""
    message = find_by_whatsapp_id(connection, session_id, seen.message_id)
    events: list[Event] = []
    if message is None:
        candidates = _candidates_of(connection, session_id, seen, at)
        if len(candidates) != 1:
            return []
        step = Move(to=_S.SENT, at=at, whatsapp_message_id=seen.message_id)
        moved = move(connection, candidates[0].message_id, step)
        if moved is None:
            return []
        message = moved.after
        events = [*moved.events, *settle_early_acks(connection, session_id, message, at)]
    if seen.fate in _ACKNOWLEDGED:
        events += note_fate(connection, message, MessageStatus(seen.fate), at)
    for chat_id in _chats_of(seen):
        events += link(connection, message.origin.user_key, message.recipient.chat_id, chat_id, at)
    return events


def settle_listed(
    connection: sqlite3.Connection, message_id: MessageId, listed: Sequence[SeenMessage], at: float
) -> list[Event]:
    """Take in what an engine's list of a chat says of one message; return the events that tell what that proves."""
    message = find_message(connection, message_id)
    if message is None:
        return []
    session_id = message.origin.session_id
    fitting = [
        each for each in listed if each.message_id == message.whatsapp_message_id or _may_be(connection, message, each)
    ]
    return settle_seen(connection, session_id, fitting[0], at) if len(fitting) == 1 else []


def _may_be(connection: sqlite3.Connection, message: Message, seen: SeenMessage) -> bool:
    session_id = message.origin.session_id
    if seen.at is None or seen.body_sha256 != message.body_sha256:
        return False
    if find_by_whatsapp_id(connection, session_id, seen.message_id) is not None:
        return False
    candidates = _candidates_of(connection, session_id, seen, seen.at)
    return any(each.message_id == message.message_id for each in candidates)


def _candidates_of(
    connection: sqlite3.Connection, session_id: SessionId, seen: SeenMessage, now: float
) -> list[Message]:
    user_key = _user_key(connection, session_id)
    names = {name for chat_id in _chats_of(seen) for name in names_of(connection, user_key, chat_id)}
    at = now if seen.at is None else seen.at
    return find_candidates(connection, session_id, sorted(names), seen.body_sha256, at)


def _chats_of(seen: SeenMessage) -> list[str]:
    """Return the names of the chat, as we write them."""
    named = [seen_chat_id(each) for each in (seen.chat_id, seen.to) if each is not None]
    return list(dict.fromkeys(text(each) for each in named if each is not None))


def _user_key(connection: sqlite3.Connection, session_id: SessionId) -> UserKey:
    row = connection.execute("SELECT user_id FROM session WHERE session_id = ?", (session_id,)).fetchone()
    return user_key_of(session_id, row[0] if row else None)


def mark_overdue(connection: sqlite3.Connection, message_id: MessageId, at: float) -> list[Event]:
    """Note that the acknowledgement of a message is missing; the fifth in a row holds the queue.

    In a row are those sent after the last message that was acknowledged, in the order of their sending.
    """
    marked = connection.execute(_MARK, (message_id,)).fetchone()
    if marked is None:
        return []
    session_id, sent_at = SessionId(marked[0]), marked[1]
    (count,) = connection.execute(_COUNT, (session_id, sent_at)).fetchone()
    return hold(connection, session_id, HoldCode.AWAITING_ACKS, _NO_ACKS, at) if count >= OVERDUE_MAX else []


_MARK = """
    UPDATE message SET ack_overdue = 1 WHERE message_id = ? AND status = 'sent' AND acked_at IS NULL AND ack_overdue = 0
    RETURNING session_id, sent_at"""
_COUNT = """
    INSERT INTO queue (session_id, overdue_count) VALUES (?1, 1)
    ON CONFLICT DO UPDATE SET overdue_count = overdue_count + (?2 > ifnull(acked_sent_at, 0))
    RETURNING overdue_count"""
