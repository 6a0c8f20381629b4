"""What a message that came in means: its chat is known, a batch was answered, or somebody wants no more messages."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from openwa_manager.domain.delivery.events import Event, Json
from openwa_manager.domain.messaging.messages import HoldCode, UserKey, user_key_of
from openwa_manager.domain.messaging.opt_out import OptOutKeywords, OptOutRate
from openwa_manager.domain.messaging.recipients import seen_chat_id
from openwa_manager.domain.messaging.sightings import ReceivedMessage
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass
from openwa_manager.store.messaging import contacts
from openwa_manager.store.messaging.holding import hold
from openwa_manager.store.messaging.people import suppressions
from openwa_manager.store.messaging.people.aliases import names_of

#: Returns what an engine's data says of a message that came in; None when no person wrote it.
ReadReceived = Callable[[Mapping[str, Json]], ReceivedMessage | None]
#: How many of a chat's newest messages are looked at for the one that was answered.
_LOOKED_AT = 50
_FLOOD = "more people opted out at once than is likely; look at the list, then resume the queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedHook:
    """Takes in what comes in (`message.received`); `read` knows the engines' words, `keywords` are those to opt out."""

    read: ReadReceived
    keywords: OptOutKeywords

    def __call__(self, connection: sqlite3.Connection, event: Event) -> Sequence[Event]:
        """Return the event, and behind it what else it is news of."""
        data, session_id = event.data.get("data"), event.session_id
        received = self.read(data) if isinstance(data, Mapping) else None
        chat_id = seen_chat_id(received.chat_id) if received else None
        if received is None or chat_id is None or session_id is None:
            return (event,)
        sender = _Sender(session_id, user_key_of(session_id, event.user_id), chat_id, event.occurred_at)
        _note_chat(connection, sender)
        if not received.is_direct or not self.keywords.is_opt_out(received.body):
            return (event,)
        return (event, *_opt_out(connection, sender, received.body))


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who wrote, to which session, and when (wall time)."""

    session_id: SessionId
    user_key: UserKey
    chat_id: str
    at: float


def _note_chat(connection: sqlite3.Connection, sender: _Sender) -> None:
    asked = {"user_key": sender.user_key, "session_id": sender.session_id, "chat_id": sender.chat_id}
    if connection.execute(_IS_NEWS, {**asked, "looked_at": _LOOKED_AT}).fetchone() is None:
        return
    names = names_of(connection, sender.user_key, sender.chat_id)
    contacts.note_all_known(connection, sender.session_id, names, sender.at)
    found = [row for name in names for row in connection.execute(_ANSWERED, (sender.session_id, name, _LOOKED_AT))]
    if found:
        seq = max(seq for (seq,) in found)
        connection.execute("UPDATE message SET replied_at = ? WHERE seq = ? AND replied_at IS NULL", (sender.at, seq))


# Of a chat that is known, with one name and nothing sent to it, a message tells nothing new. Most are such, and each
# statement waits for the interpreter's lock: one that finds nothing costs a quarter of the four that would do nothing.
_IS_NEWS = """
    SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM contact WHERE session_id = :session_id AND chat_id = :chat_id)
        OR EXISTS (SELECT 1 FROM contact_alias WHERE user_key = :user_key AND name = :chat_id)
        OR EXISTS (
            SELECT 1 FROM message INDEXED BY message_waiting_for
            WHERE session_id = :session_id AND chat_id = :chat_id AND status = 'queued' AND is_first_contact = 1)
        OR EXISTS (
            SELECT 1 FROM (
                SELECT batch_id, sent_at FROM message INDEXED BY message_by_chat
                WHERE session_id = :session_id AND chat_id = :chat_id ORDER BY seq DESC LIMIT :looked_at)
            WHERE sent_at IS NOT NULL AND batch_id <> '')"""
_ANSWERED = """
    SELECT max(seq) FROM (
        SELECT seq, batch_id, sent_at FROM message INDEXED BY message_by_chat
        WHERE session_id = ? AND chat_id = ? ORDER BY seq DESC LIMIT ?)
    WHERE sent_at IS NOT NULL AND batch_id <> '' HAVING max(seq) IS NOT NULL"""


def _opt_out(connection: sqlite3.Connection, sender: _Sender, text: str) -> list[Event]:
    """Put the sender on the user's list, and cancel what waits for him; in a flood hold the queue instead.

    What is too much for one write is left to `finish_opt_out`.
    """
    if not suppressions.add(connection, sender.user_key, sender.chat_id, suppressions.OPTED_OUT, sender.at):
        return []
    data = {"from": sender.chat_id, "keyword": " ".join(text.split()).upper()}
    told = Event(type="contact.opted_out", occurred_at=sender.at, session_id=sender.session_id, data=data)
    if _is_flood(connection, sender):
        return [told, *hold(connection, sender.session_id, HoldCode.OPT_OUT_FLOOD, _FLOOD, sender.at)]
    return [told, *suppressions.cancel_waiting(connection, sender.user_key, sender.chat_id, sender.at)]


def finish_opt_out(
    connection: sqlite3.Connection, session_id: SessionId, user_key: UserKey, chat_id: str, at: float
) -> list[Event]:
    """Cancel what an opt-out that came through this session has left, at most a slice; nothing left: no events.

    What came in a flood cancels nothing.
    """
    row = connection.execute("SELECT held_code FROM queue WHERE session_id = ?", (session_id,)).fetchone()
    if row is not None and row[0] == HoldCode.OPT_OUT_FLOOD:
        return []
    return suppressions.cancel_waiting(connection, user_key, chat_id, at)


def _is_flood(connection: sqlite3.Connection, sender: _Sender) -> bool:
    sql = "SELECT opt_out_level, opted_out_at FROM queue WHERE session_id = ? AND opted_out_at IS NOT NULL"
    row = connection.execute(sql, (sender.session_id,)).fetchone()
    before = OptOutRate() if row is None else OptOutRate(level=row[0], at=row[1])
    rate, is_flood = before.counted(sender.at)
    connection.execute(_COUNT, (sender.session_id, rate.level, rate.at))
    return is_flood


_COUNT = """
    INSERT INTO queue (session_id, opt_out_level, opted_out_at) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET opt_out_level = excluded.opt_out_level, opted_out_at = excluded.opted_out_at"""
