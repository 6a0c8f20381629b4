"""What the database adds to an event, inside the transaction that stores it."""

import sqlite3
from dataclasses import replace

from openwa_manager.domain.delivery.events import Event

#: The events that tell what became of a message that was sent.
_FATES = frozenset({"message.sent", "message.delivered", "message.read", "message.failed"})


def enrich(connection: sqlite3.Connection, event: Event) -> Event:
    """Return the event with what only the database knows.

    An engine names a message by WhatsApp's id. Which of our messages it is (`manager_message_id`, `reference`) is
    looked up here; None: it was sent past us.
    """
    del connection  # no message is kept yet: all of them are sent past us, through the gateway
    if event.type not in _FATES:
        return event
    return replace(event, data={**event.data, "manager_message_id": None, "reference": None})
