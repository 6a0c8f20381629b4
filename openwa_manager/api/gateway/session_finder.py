"""Finds the session that a path below `/api/sessions` names: by our id, or by the one its engine knows it by."""

from contextlib import suppress

from openwa_manager.api.gateway.errors import not_found
from openwa_manager.domain.errors import SessionNotFoundError
from openwa_manager.domain.session.session import Session, SessionId
from openwa_manager.services.sessions.directory import SessionDirectory


class SessionFinder:
    """Finds sessions by either of their ids, and remembers what it found by the engine's."""

    def __init__(self, sessions: SessionDirectory) -> None:
        self.sessions = sessions
        self._known: dict[str, SessionId] = {}

    def find(self, name: str) -> Session:
        """Return the session with this id; ours are looked for first.

        Raises:
            GatewayError: there is none.
        """
        try:
            return self.sessions.get(name)
        except SessionNotFoundError:
            session = self._remembered(name) or self._search(name)
        if session is None:
            raise not_found(name)
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
