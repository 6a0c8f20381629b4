"""What the database makes of an event, inside the transaction that stores it."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from openwa_manager.domain.delivery.events import Event

#: Returns what is told in the place of an event: mostly the event itself, with what only the database knows; others
#: before or behind it, if it is news of more than itself; nothing, if it is no news. It may write what it learns.
Hook = Callable[[sqlite3.Connection, Event], Sequence[Event]]


def enrich(connection: sqlite3.Connection, event: Event, hooks: Mapping[str, Hook]) -> Sequence[Event]:
    """Return what is told in the place of an event that has no number yet; nobody is told of what is left out."""
    hook = hooks.get(event.type)
    return (event,) if hook is None else hook(connection, event)


def _name_message(connection: sqlite3.Connection, event: Event) -> Sequence[Event]:
    """Say which of our messages this is the fate of: engines name a message by WhatsApp's id; None: sent past us."""
    del connection  # no message is kept yet: all of them are sent past us, through the gateway
    return (replace(event, data={**event.data, "manager_message_id": None, "reference": None}),)


#: The type of an event -> its hook. The first four tell what became of a message that was sent.
HOOKS: Mapping[str, Hook] = {
    "message.sent": _name_message,
    "message.delivered": _name_message,
    "message.read": _name_message,
    "message.failed": _name_message,
}
