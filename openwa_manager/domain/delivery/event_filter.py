"""Which events a reader is shown: those he asks for, as far as he may read them."""

from collections.abc import Mapping, Sequence
from typing import Final

from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.access.scopes import EVERY_SESSION, SessionScope
from openwa_manager.domain.delivery.events import PASSED_THROUGH
from openwa_manager.domain.session.session import SessionId
from openwa_manager.domain.values import dataclass

#: Events that carry a code, which is a login.
CODES: Final = ("session.qr",)
#: Events that carry what people write, or tell whom they write to: all that an engine says of chats.
CHATS: Final = PASSED_THROUGH


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Some of the events: of these types (none: of all) but none that is left out, of one session (None: of any).

    Types are patterns (events.matches_any). What is of no session is shown only where the scope is unlimited.
    """

    types: Sequence[str] = ()
    left_out: Sequence[str] = ()
    session_id: SessionId | None = None
    scope: SessionScope = EVERY_SESSION


EVERY_EVENT: Final = EventFilter()


def unreadable_by(caller: Caller) -> Mapping[str, Sequence[str]]:
    """Return the events that a caller may not read, whatever his scope, by the right that he lacks."""
    carriers = {"qr": () if caller.has_qr else CODES, "chats": () if caller.has_chats else CHATS}
    return {right: types for right, types in carriers.items() if types}


def readable_by(caller: Caller, types: Sequence[str] = (), session_id: SessionId | None = None) -> EventFilter:
    """Return the filter that shows a caller what he asks for, as far as he may read it."""
    left_out = tuple(each for carriers in unreadable_by(caller).values() for each in carriers)
    return EventFilter(types=types, left_out=left_out, session_id=session_id, scope=caller.scope)
