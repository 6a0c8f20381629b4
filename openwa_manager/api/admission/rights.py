"""Says no to a caller who may not: the one place where a verdict of the rules becomes an error."""

from collections.abc import Callable, Iterable

from aiohttp import web

from openwa_manager.api.errors import ForbiddenError, UnauthenticatedError
from openwa_manager.api.request_keys import CALLER
from openwa_manager.domain.access.actions import Action, Forbidden, may
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.delivery.event_filter import unreadable_by
from openwa_manager.domain.delivery.events import matches_some
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import Session, SessionId, is_session_id

#: Finds a session by its id or by its engine's, for a caller who may know of it.
FindSession = Callable[[str, Caller], Session]


def caller_of(request: web.Request) -> Caller:
    """Return who asks.

    Raises:
        UnauthenticatedError: nobody knows.
    """
    try:
        caller: Caller = request[CALLER]
    except KeyError:
        raise UnauthenticatedError("a valid API key is needed: X-API-Key, or Authorization: Bearer") from None
    return caller


def require(caller: Caller, action: Action) -> None:
    """Return if the caller may do this at all.

    Raises:
        ForbiddenError: he may not; it says what he lacks.
    """
    match may(caller, action):
        case Forbidden(needed):
            raise ForbiddenError(needed)


def require_session(caller: Caller, session_id: SessionId) -> None:
    """Return if the caller may know of a session; whether there is one is not asked.

    Raises:
        SessionNotFoundError: he may not, and is told what he would be if there were none.
    """
    if not caller.scope.names(session_id):
        raise SessionNotFoundError(f"no session {session_id!r}")


def require_patterns(caller: Caller, patterns: Iterable[str]) -> None:
    """Return if the caller may know of every session that these patterns name; whether there are any is not asked.

    Raises:
        SessionNotFoundError: he may not, and is told what he would be if there were none.
    """
    for pattern in patterns:
        if not caller.scope.covers(pattern):
            raise SessionNotFoundError(f"no session {pattern!r}")


def require_events(caller: Caller, types: Iterable[str]) -> None:
    """Return if the caller may read the events that these patterns name, so that he may have them sent to somebody.

    Raises:
        ForbiddenError: he may not; it says what he lacks.
    """
    for right, carriers in unreadable_by(caller).items():
        if matches_some(types, carriers):
            raise ForbiddenError(f"events of these types carry what only a key with {right}: true may read")


def session_id_in(request: web.Request) -> SessionId:
    """Return the session the path names, for a caller who may know of it; whether there is one is not asked.

    Raises:
        UnauthenticatedError: nobody knows who asks.
        SessionNotFoundError: no session can have that id, or it is not for this caller.
    """
    session_id = named_session(request)
    require_session(caller_of(request), session_id)
    return session_id


def named_session(request: web.Request) -> SessionId:
    """Return the session the path names, whoever asks.

    Raises:
        SessionNotFoundError: no session can have that id.
    """
    text = request.match_info["session_id"]
    if not is_session_id(text):
        raise SessionNotFoundError("there is no such session")
    return SessionId(text)
