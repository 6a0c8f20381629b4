"""Finds the session that a path below `/api/sessions` names: by our id, or by the one its engine knows it by."""

from contextlib import suppress

from openwa_manager.api.gateway.errors import not_found
from openwa_manager.domain.access.callers import Caller
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.sessions.directory import SessionDirectory


class SessionFinder:
    """Finds sessions by either of their ids, and remembers what it found by the engine's."""

    def __init__(self, sessions: SessionDirectory) -> None:
        self.sessions = sessions
        self._known: dict[str, SessionId] = {}

    def find(self, name: str, caller: Caller) -> Session:
        """Return the session with this id; ours are looked for first.

        Raises:
            GatewayError: there is none, or the caller may not know of it.
        """
        session = self._find(name, caller)
        if session is None or not caller.scope.names(session.session_id):
            raise not_found(name)
        return session

    def _find(self, name: str, caller: Caller) -> Session | None:
        # An id that the caller may not know of is looked for as one that nobody has: in the same time.
        if caller.scope.names(SessionId(name)):
            with suppress(SessionNotFoundError):
                return self.sessions.get(name)
        session = self._remembered(name) or self._search(name)
        if session is not None:
            self._known[name] = session.session_id
        return session

    def _remembered(self, name: str) -> Session | None:
        """Return the session that had this inner id when it was last asked for; None when it has it no longer."""
        with suppress(KeyError, SessionNotFoundError):
            session = self.sessions.get(self._known.pop(name))
            return session if session.inner_id == name else None
        return None

    def _search(self, name: str) -> Session | None:
        return next((each for each in self.sessions.list_sessions() if each.inner_id == name), None)
