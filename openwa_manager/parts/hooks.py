"""What the database is to make of the events that it stores, by the settings."""

from collections.abc import Collection, Mapping

from openwa_manager.config import Settings
from openwa_manager.domain.messaging.opt_out import keywords_of
from openwa_manager.engines.mapping import read_received
from openwa_manager.store.delivery.enrichment import HOOKS, Hook
from openwa_manager.store.messaging.people.received import ReceivedHook


def build_hooks(settings: Settings) -> Mapping[str, Hook]:
    """Return the hooks that a daemon with these settings asks.

    Raises:
        InvalidInputError: the keywords to opt out are none.
    """
    return message_hooks(settings.opt_out_keywords)


def message_hooks(keywords: Collection[str]) -> Mapping[str, Hook]:
    """Return the hooks that tell whose messages events are about, with these keywords to opt out."""
    return {**HOOKS, "message.received": ReceivedHook(read=read_received, keywords=keywords_of(keywords))}
