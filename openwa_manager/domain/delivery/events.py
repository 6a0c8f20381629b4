"""What happened, as endpoints and readers get it: an event, its class, and until when it is of use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import NewType

from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

EndpointId = NewType("EndpointId", str)

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class EventClass(StrEnum):
    """How an event is treated when time or room runs short; `state` and `message` are never dropped."""

    STATE = "state"
    MESSAGE = "message"
    PASSING = "passing"
    QR = "qr"


#: That an engine, or the daemon of a session, lives; told, never kept.
HEARTBEAT = "session.heartbeat"
#: Events of a session that carry no `seq`: they may overtake others, expire and be dropped, or are about a delivery.
UNNUMBERED = frozenset({"session.qr", HEARTBEAT, "delivery.dead_lettered"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, for every endpoint that wants it.

    `session_id` None means the daemon itself speaks. `session_seq` numbers a session's events without gaps: the store
    gives it (None until then, and for those in UNNUMBERED), and with it the `user_id` and the `launch`, the session's
    launch counter, where they are None. `expires_at` None means that it is of use for ever. `data` holds the fields
    beside the common ones.
    """

    type: str
    occurred_at: float
    session_id: SessionId | None = None
    user_id: str | None = None
    session_seq: int | None = None
    launch: int | None = None
    expires_at: float | None = None
    data: Mapping[str, Json] = field(default_factory=dict)

    @property
    def event_class(self) -> EventClass:
        """Return how this event is treated under pressure."""
        return class_of(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event on disk: `seq` orders all events of this daemon, `id` (`evt_…`) is the same on every delivery.

    `endpoint_ids` are the endpoints it has yet to reach, known of an event that has just been stored; None: look it up.
    """

    seq: int
    id: str
    event: Event
    endpoint_ids: tuple[EndpointId, ...] | None = field(default=None, compare=False)


#: How far a batch is: of passing interest, for the next one says it better.
BATCH_PROGRESS = "batch.progress"
#: What we say ourselves begins with one of these words, or is about a message; no engine says such things.
_OWN_FAMILIES = frozenset({"session", "manager", "delivery", "host", "batch", "contact", "queue", "audit"})


def class_of(event_type: str) -> EventClass:
    """Return the class of an event type, also for types passed through from an engine."""
    if event_type == "session.qr":
        return EventClass.QR
    family = event_type.partition(".")[0]
    if family in _OWN_FAMILIES and event_type != BATCH_PROGRESS:
        return EventClass.STATE
    return EventClass.MESSAGE if family == "message" else EventClass.PASSING


#: Engine events handed on unchanged under `data`; a trailing `*` stands for any ending.
PASSED_THROUGH = (
    "message.received",
    "message.revoked",
    "message.reaction",
    "message.edited",
    "status.received",
    "presence.*",
    "group.*",
    "call.*",
)


def is_passed_through(event_type: str) -> bool:
    """Tell whether an engine's event of this type is handed on to the endpoints as it is."""
    return matches_any(PASSED_THROUGH, event_type)


#: What asks for events: the name of a type, or its beginning and a `*`; and how many of them an endpoint may have.
EVENT_PATTERN = r"^([A-Za-z0-9_.:-]{1,128}\*?|\*)$"
EVENT_PATTERNS_MAX = 100


def beginning_in(pattern: str) -> str | None:
    """Return what a text must begin with to match a pattern that ends with `*`; None: it must be equal to it.

    This is all that `*` means, for the types of events and for the names of sessions.
    """
    return pattern[:-1] if pattern.endswith("*") else None


def matches_any(patterns: Iterable[str], text: str) -> bool:
    """Tell whether `text` matches one of the patterns."""
    for pattern in patterns:
        beginning = beginning_in(pattern)
        if text == pattern if beginning is None else text.startswith(beginning):
            return True
    return False


def matches_some(patterns: Iterable[str], others: Iterable[str]) -> bool:
    """Tell whether there may be a text that matches one of the patterns and one of the others."""
    asked = tuple(others)
    return any(_overlap(pattern, other) for pattern in patterns for other in asked)


def _overlap(pattern: str, other: str) -> bool:
    beginning, other_beginning = beginning_in(pattern), beginning_in(other)
    if beginning is None:
        return matches_any((other,), pattern)
    if other_beginning is None:
        return other.startswith(beginning)
    return beginning.startswith(other_beginning) or other_beginning.startswith(beginning)
