"""What the database makes of an event, inside the transaction that stores it."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from openwa_manager.domain.delivery.events import Event
from openwa_manager.store.messaging.holding import tell_restriction
from openwa_manager.store.messaging.proofs.acks import FATES, tell_fate

#: Returns what is told in the place of an event: mostly the event itself, with what only the database knows; others
#: before or behind it, if it is news of more than itself; nothing, if it is no news. It may write what it learns.
Hook = Callable[[sqlite3.Connection, Event], Sequence[Event]]


def enrich(connection: sqlite3.Connection, event: Event, hooks: Mapping[str, Hook]) -> Sequence[Event]:
    """Return what is told in the place of an event that has no number yet; nobody is told of what is left out."""
    hook = hooks.get(event.type)
    return (event,) if hook is None else hook(connection, event)


#: The type of an event -> its hook, where nothing else is asked for. They tell what became of a message that was sent,
#: and what WhatsApp lets an account do.
HOOKS: Mapping[str, Hook] = {**dict.fromkeys(FATES, tell_fate), "session.restricted": tell_restriction}


class HookedConnection(sqlite3.Connection):
    """A connection that says what is made of the events that are stored through it."""

    hooks: Mapping[str, Hook] = HOOKS


def hooks_of(connection: sqlite3.Connection) -> Mapping[str, Hook]:
    """Return the hooks of a connection; of one that has none of its own those that are always asked."""
    return connection.hooks if isinstance(connection, HookedConnection) else HOOKS
