"""What a caller may do: four roles, each of which may all that the ones before it may."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a caller may do, from the least to the most."""

    #: Reads sessions, health, timelines, events, deliveries and metrics.
    VIEWER = "viewer"
    #: Also sends messages, by the gateway too.
    SENDER = "sender"
    #: Also creates, starts, stops and deletes sessions, reads logs, and has the whole gateway.
    OPERATOR = "operator"
    #: Also says where events go, what engines are told, and who may do what.
    ADMIN = "admin"

    def includes(self, needed: "Role") -> bool:
        """Tell whether this role may what `needed` may."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}

#: In place of an action or a role: no key is needed.
OPEN: Final = None
