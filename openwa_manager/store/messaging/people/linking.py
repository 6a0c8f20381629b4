"""Makes one contact of two names, with all that was known of either."""

import sqlite3
from typing import Final

from openwa_manager.domain.delivery.events import Event
from openwa_manager.domain.messaging.messages import UserKey
from openwa_manager.domain.messaging.recipients import ChatKind, is_person, kind_of
from openwa_manager.store.columns import text, to_json
from openwa_manager.store.messaging import contacts
from openwa_manager.store.messaging.people import aliases, suppressions

#: A person has a number, perhaps an older one, and an id that hides it. An engine that tells of more is mistaken.
NAMES_MAX: Final = 8
#: How many waiting messages get the contact's canonical name in one write; the others keep one that means the same.
_RENAMED_MAX = 1000


def link(connection: sqlite3.Connection, user_key: UserKey, name: str, contact: str, at: float) -> list[Event]:
    """Note that `name` is another name of `contact`, as an engine has told; return the events that come of it.

    What was known of one holds for both: whoever has opted out, or has been written to, under one name has under all.
    Names of groups are never linked.
    """
    if not (is_person(name) and is_person(contact)):
        return []
    ones, others = aliases.names_of(connection, user_key, name), aliases.names_of(connection, user_key, contact)
    names = list(dict.fromkeys([*others, *ones]))
    if ones == others or len(names) > NAMES_MAX:
        return []
    suppressed = suppressions.find(connection, user_key, name) or suppressions.find(connection, user_key, contact)
    chosen = _canonical(ones[0], others[0])
    aliases.join(connection, user_key, chosen, names)
    _share_first_contacts(connection, user_key, names, at)
    _rename_waiting(connection, user_key, chosen, names)
    if suppressed is None:
        return []
    suppressions.add(connection, user_key, chosen, suppressed.reason, suppressed.created_at)
    return suppressions.cancel_waiting(connection, user_key, chosen, at)


def _canonical(one: str, other: str) -> str:
    """Return which name the contact is compared by: one that is a number before one that hides it."""
    return one if kind_of(other) is not ChatKind.PERSON and kind_of(one) is ChatKind.PERSON else other


def _share_first_contacts(connection: sqlite3.Connection, user_key: UserKey, names: list[str], at: float) -> None:
    for session_id in aliases.sessions_of(connection, user_key):
        if any(contacts.is_known(connection, session_id, name) for name in names):
            contacts.note_all_known(connection, session_id, names, at)


def _rename_waiting(connection: sqlite3.Connection, user_key: UserKey, chosen: str, names: list[str]) -> None:
    sql = """
        UPDATE message SET chat_id = ? WHERE seq IN (
            SELECT seq FROM message INDEXED BY message_waiting_for
            WHERE session_id = ? AND chat_id IN (SELECT value FROM json_each(?)) AND status = 'queued' LIMIT ?)"""
    former = to_json([name for name in names if name != chosen])
    for session_id in aliases.sessions_of(connection, user_key):
        connection.execute(sql, (text(chosen), session_id, former, _RENAMED_MAX))
